// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IClearinghouseAdmin} from "../interfaces/IClearinghouseAdmin.sol";
import {IExchange} from "../interfaces/IExchange.sol";
import {ExpiryView, IExpiries} from "../interfaces/IExpiries.sol";
import {IOracleHub} from "../interfaces/IOracleHub.sol";
import {IOracleHubAdmin, OracleRecord} from "../interfaces/IOracleHubAdmin.sol";
import {expiryKeyOf} from "../types/ExpiryKey.sol";
import {InstrumentId, InstrumentKind} from "../types/InstrumentId.sol";
import {DeadReason, Order, OrderFlags, SignedOrder} from "../types/Order.sol";
import {OracleState, Quote} from "../types/Quote.sol";
import {OrderLife} from "./OrderLife.sol";
import {SignatureCheck} from "./SignatureCheck.sol";

/// @title Stop-loss and take-profit: orders that are dead until a price has reached their trigger
abstract contract Triggers is OrderLife {
    /// @inheritdoc IExchange
    function arm(SignedOrder memory signed) external {
        Order memory order = signed.order;
        bytes32 orderHash = hashOrder(order);
        _requireArmable(order, orderHash, signed.signature);

        (uint256 price, uint256 publishedAt) = _triggerPrice(order);
        uint256 since = OrderFlags.sinceOf(order.flags);
        if (publishedAt <= since) revert ReportTooOld(publishedAt, since);
        bool isAbove = order.flags & OrderFlags.TRIGGER_ABOVE != 0;
        if (isAbove ? price < order.trigger : price > order.trigger) revert TriggerNotReached(price, order.trigger);

        _armedAt[orderHash] = uint40(block.timestamp);
        emit OrderArmed(order.account, order.nonce, orderHash, price);
    }

    function _requireArmable(Order memory order, bytes32 orderHash, bytes memory signature) private view {
        OrderFlags.requireValid(order.flags, order.trigger, order.group);
        if (order.trigger == 0) revert NoTrigger(order.account, order.nonce);
        (DeadReason reason,) = _look(order, orderHash, _accounts[order.account]);
        if (reason == DeadReason.None) revert AlreadyArmed(order.account, order.nonce, _armedAt[orderHash]);
        if (reason != DeadReason.NotArmed) revert OrderDead(order.account, order.nonce, reason);
        if (SignatureCheck.isSignedBy(order.signer, orderHash, signature)) return;
        bool isAccepted =
            order.signer.code.length != 0 && SignatureCheck.isAcceptedBy(order.signer, orderHash, signature);
        if (!isAccepted) revert InvalidSignature(order.account, order.nonce);
    }

    /// @return price Index or mark, wad.
    /// @return publishedAt When the oldest of the reports that it rests on was published.
    function _triggerPrice(Order memory order) private returns (uint256 price, uint256 publishedAt) {
        (price, publishedAt) = _index(order.instrument.underlyingOf());
        if (order.flags & OrderFlags.TRIGGER_ON_MARK == 0) return (price, publishedAt);
        // Follows from the quote that is now fixed for this transaction.
        price = clearinghouse.markOf(clearinghouse.instrumentIndexOf(order.instrument));
        if (order.instrument.kindOf() == InstrumentKind.Perp) return (price, publishedAt);
        publishedAt = Math.min(publishedAt, _surfacePublishedAt(order.instrument));
    }

    function _index(uint8 underlying) private returns (uint256 index, uint256 publishedAt) {
        address hub = IClearinghouseAdmin(address(clearinghouse)).oracleHub();
        (Quote[] memory quotes,) = IOracleHub(hub).refresh(1 << underlying);
        Quote memory quote = quotes[0];
        if (quote.state > OracleState.Wide) revert PriceNotUsable(underlying, quote.state);
        OracleRecord memory known = IOracleHubAdmin(hub).recordOf(underlying);
        // The second source serves in `Wide` alone, and then the index is its price.
        bool isSecond = quote.state == OracleState.Wide && quote.index == quote.second;
        return (quote.index, isSecond ? known.goodAt : known.publishedAt);
    }

    function _surfacePublishedAt(InstrumentId instrument) private view returns (uint256) {
        IExpiries expiries = IExpiries(IClearinghouseAdmin(address(clearinghouse)).expiries());
        (uint8 underlying, uint40 expiry) = (instrument.underlyingOf(), instrument.expiryOf());
        ExpiryView memory known = expiries.expiryOf(underlying, expiry);
        if (!known.trusted) revert SurfaceNotUsable(expiryKeyOf(underlying, expiry));
        return known.surface.unpackSurface().publishedAt;
    }
}
