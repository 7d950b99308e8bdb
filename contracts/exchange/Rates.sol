// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IExchange} from "../interfaces/IExchange.sol";
import {Order} from "../types/Order.sol";

/// @title What a fill costs besides its price: fees, and the bounty of who executes a triggered order
abstract contract Rates is IExchange, AccessManaged {
    using SafeCast for uint256;

    /// @dev One slot: 4 · 4 = 16 bytes. Rates of notional, 1e9 is one.
    struct RateTerms {
        uint32 taker;
        uint32 maker;
        uint32 bounty; // at most
        uint32 bountyTime; // seconds until it is that
    }

    /// @notice Highest fee that can be set: 0.5 % of notional, 1e9 is one.
    uint32 public constant MAX_FEE = 5e6;
    /// @notice Highest bounty that can be set: 0.2 % of notional, 1e9 is one.
    uint32 public constant MAX_BOUNTY = 2e6;
    uint32 private constant LEAST_BOUNTY_TIME = 1 minutes;
    uint32 private constant MOST_BOUNTY_TIME = 1 hours;
    /// @dev size · price · rate is wad · wad · 1e9; a fee is wad.
    uint256 private constant DIVISOR = 1e27;

    RateTerms internal _rates;

    /// @inheritdoc IExchange
    function setFees(uint32 takerFee, uint32 makerFee) external restricted {
        if (takerFee > MAX_FEE) revert FeeOutOfBounds(takerFee, MAX_FEE);
        if (makerFee > MAX_FEE) revert FeeOutOfBounds(makerFee, MAX_FEE);
        (_rates.taker, _rates.maker) = (takerFee, makerFee);
        emit FeesSet(takerFee, makerFee);
    }

    /// @inheritdoc IExchange
    function setBounty(uint32 most, uint32 time) external restricted {
        if (most > MAX_BOUNTY) revert BountyOutOfBounds(most, MAX_BOUNTY);
        if (time < LEAST_BOUNTY_TIME || time > MOST_BOUNTY_TIME) {
            revert BountyTimeOutOfBounds(time, LEAST_BOUNTY_TIME, MOST_BOUNTY_TIME);
        }
        (_rates.bounty, _rates.bountyTime) = (most, time);
        emit BountySet(most, time);
    }

    /// @inheritdoc IExchange
    function fees() external view returns (uint32 taker, uint32 maker) {
        return (_rates.taker, _rates.maker);
    }

    /// @inheritdoc IExchange
    function bounty() external view returns (uint32 most, uint32 time) {
        return (_rates.bounty, _rates.bountyTime);
    }

    function _feeUp(Order memory order, uint128 size, uint128 price, uint32 rate) internal pure returns (uint128) {
        if (rate > order.maxFee) revert FeeAboveMaximum(order.account, rate, order.maxFee);
        return Math.mulDiv(uint256(size) * price, rate, DIVISOR, Math.Rounding.Ceil).toUint128();
    }

    /// @dev No more than the order's highest fee leaves beside the fee, which is within it.
    function _bountyDown(
        Order memory order,
        uint128 size,
        uint128 price,
        uint32 fee,
        uint256 rate
    ) internal pure returns (uint128) {
        return Math.mulDiv(uint256(size) * price, Math.min(rate, order.maxFee - fee), DIVISOR).toUint128();
    }

    /// @dev Grows in a line from 0 as the order is armed, rounded down.
    function _bountyRate(RateTerms memory terms, uint256 armedAt_) internal view returns (uint256) {
        uint256 elapsed = block.timestamp - armedAt_;
        return elapsed >= terms.bountyTime ? terms.bounty : terms.bounty * elapsed / terms.bountyTime;
    }
}
