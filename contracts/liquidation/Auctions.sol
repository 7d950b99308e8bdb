// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {AuctionParameters, AuctionView, Bid, BidOutcome, IAuctions, Phase} from "../interfaces/IAuctions.sol";
import {AccountView, IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {ISliceDecider} from "../interfaces/IClearinghouseLiquidation.sol";
import {IExchange} from "../interfaces/IExchange.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {AccountId} from "../types/AccountId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Slice} from "../types/Slice.sol";
import {AuctionMath, Sale} from "./AuctionMath.sol";
import {AuctionParameterBounds} from "./AuctionParameterBounds.sol";

/// @title Auctions of accounts below maintenance margin
/// @notice Holds no funds: cash, collateral and positions move inside the clearinghouse.
/// @dev Every act: lock → touch (accrues, realises, reads margin) → bring the auction up to now → compute in a view, which
///      the previews share → write → event → move value → unlock. In a bid the clearinghouse touches, asks for the decision
///      and moves value in one go, so that an account is opened once. Nothing here calls a token.
contract Auctions is IAuctions, ISliceDecider, AccessManaged {
    using SafeCast for uint256;

    /// @dev Slot 0: 8 + 5 + 5 + 9 + 1 + 2 + 1 = 31 bytes. Slot 1: 12 + 16 = 28. Slot 2: 16 + 16 = 32.
    struct Auction {
        uint64 id;
        uint40 startedAt;
        uint40 observedAt; // last seen below the liquidation-end margin
        uint72 speed; // of the discount clock, as then seen, wad
        Phase phase;
        uint16 parameterSet;
        bool premiumGranted; // whether `premiumLeft` was set, once an auction
        uint96 elapsed; // of the phase's clock, wad seconds
        uint128 proceeds; // P, wad
        uint128 shortfall; // max(0, −E) as last seen, wad
        uint128 premiumLeft; // what the insurance fund may still pay in premiums, wad
    }

    /// @dev What the insurance fund is asked for in a bid, wad, and what it is due to.
    struct Cover {
        uint256 insured;
        uint8[] underlyings;
        int256[] contributions;
    }

    /// @dev Cash that an account must leave in a shortfall, wad, and in which.
    struct HeldBack {
        uint128 amount;
        uint64 episode;
    }

    IClearinghouse public immutable clearinghouse;
    IExchange public immutable exchange;
    IInsuranceFund public immutable insuranceFund;

    mapping(AccountId account => Auction) private _auctions;
    AuctionParameters[] private _parameterSets;
    uint128 private _openShortfall;
    uint64 private _lastAuctionId;
    uint64 private _shortfallEpisode; // counts the times at which a shortfall opened
    mapping(AccountId account => HeldBack) private _heldBack;

    constructor(
        address authority,
        IClearinghouse clearinghouse_,
        IExchange exchange_,
        IInsuranceFund insuranceFund_,
        AuctionParameters memory parameters
    ) AccessManaged(authority) {
        clearinghouse = clearinghouse_;
        exchange = exchange_;
        insuranceFund = insuranceFund_;
        _addParameters(parameters);
    }

    modifier locked() {
        clearinghouse.lock();
        _;
        clearinghouse.unlock();
    }

    // Acts --------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAuctions
    function call(AccountId account) external locked {
        Margin memory margin = clearinghouse.marginOf(account);
        int256 missing = int256(margin.initialMargin) - margin.newRiskEquity();
        if (missing <= 0) revert NoMarginCall(account, margin.newRiskEquity(), margin.initialMargin);
        emit MarginCalled(account, uint256(missing));
    }

    /// @inheritdoc IAuctions
    function start(AccountId account, AccountId bountyTo) external locked returns (uint64 auctionId) {
        if (_auctions[account].id != 0) revert AlreadyInAuction(account);
        Margin memory margin = clearinghouse.touch(account);
        if (!margin.isLiquidatable()) revert NotLiquidatable(account, margin.equity, margin.maintenanceMargin);
        if (margin.maintenanceMargin == 0 && _holdsNothing(account)) revert OnlyDebt(account);

        uint16 set = uint16(_parameterSets.length - 1);
        AuctionParameters memory parameters = _parameterSets[set];
        auctionId = ++_lastAuctionId;
        uint256 bounty = _bounty(account, bountyTo, margin.equity, parameters);
        emit AuctionStarted(account, auctionId, margin.equity, margin.maintenanceMargin, bounty);

        Auction memory auction;
        auction.id = auctionId;
        auction.startedAt = uint40(block.timestamp);
        auction.observedAt = uint40(block.timestamp);
        auction.phase = Phase.Solvent;
        auction.parameterSet = set;
        margin.equity -= int256(bounty);
        _advance(auction, margin, parameters);
        _record(account, auction, margin, parameters);
        if (auction.phase != Phase.Solvent) emit AuctionTurnedInsolvent(account, auctionId);

        exchange.advanceEpoch(account);
        clearinghouse.startLiquidation(account, bountyTo, bounty);
    }

    /// @inheritdoc IAuctions
    function poke(AccountId account) external locked {
        (Auction memory auction, AuctionParameters memory parameters) = _auction(account);
        Margin memory margin = clearinghouse.touch(account);
        if (_hasRecovered(margin)) {
            _end(account, auction, margin);
            clearinghouse.endLiquidation(account);
            return;
        }
        _bringUp(account, auction, margin, parameters);
        _record(account, auction, margin, parameters);
    }

    /// @inheritdoc IAuctions
    function bid(Bid calldata terms) external locked returns (BidOutcome memory outcome) {
        _requireMayBidFor(terms.bidder);
        _requireUnrelated(terms, msg.sender);
        Slice memory slice = clearinghouse.sellSlice(terms.liquidated, terms.bidder, abi.encode(terms));
        outcome.fraction = slice.fraction;
        outcome.payment = slice.payment;
        outcome.reward = slice.fromProceeds + slice.fromInsurance + slice.uncovered;
        outcome.fromProceeds = slice.fromProceeds;
        outcome.fromInsurance = slice.fromInsurance;
        outcome.uncovered = slice.uncovered;
    }

    /// @inheritdoc ISliceDecider
    /// @dev Re-entrancy: within `bid`, which holds the lock; only the clearinghouse calls it.
    function decide(
        bytes calldata context,
        Margin calldata margin,
        UnderlyingRisk[] calldata parts,
        uint64 positionNonce
    ) external returns (Slice memory slice) {
        if (msg.sender != address(clearinghouse)) revert NotClearinghouse(msg.sender);
        Bid memory terms = abi.decode(context, (Bid));
        (Auction memory auction, AuctionParameters memory parameters) = _auction(terms.liquidated);
        _requireTerms(terms, auction, positionNonce);
        slice.endsAuction = _hasRecovered(margin);
        if (slice.endsAuction) {
            _end(terms.liquidated, auction, margin);
            return slice;
        }
        _bringUp(terms.liquidated, auction, margin, parameters);
        Sale memory sale = _saleOf(auction, margin, parameters);
        // Nothing is insured while there is something to pay.
        Cover memory cover;
        if (auction.phase != Phase.Solvent) cover = _coverFor(parts);
        BidOutcome memory outcome = _outcome(auction, sale, parameters, terms, cover);
        if (outcome.fromInsurance != 0) {
            insuranceFund.draw(terms.bidder, cover.insured, cover.underlyings, cover.contributions);
        }
        _emitBid(terms, auction, sale, outcome);
        _describe(slice, auction, outcome);
        auction.proceeds = (slice.keptCash + slice.payment).toUint128();
        Margin memory left = AuctionMath.marginAfter(margin, slice);
        slice.endsAuction = _hasRecovered(left);
        if (slice.endsAuction) _end(terms.liquidated, auction, left);
        else _record(terms.liquidated, auction, left, parameters);
    }

    /// @inheritdoc IAuctions
    function writeOff(AccountId account) external locked {
        Margin memory margin = clearinghouse.touch(account);
        if (margin.equity >= 0 || !_holdsNothing(account)) revert NotWorthless(account);

        uint256 debt = uint256(-margin.equity);
        // What it held, and where it lost, is gone: it counts for no underlying.
        uint256 fromInsurance = insuranceFund.draw(account, debt, new uint8[](0), new int256[](0));
        clearinghouse.coverDebt(account, fromInsurance, debt - fromInsurance);
        emit WrittenOff(account, debt, fromInsurance, debt - fromInsurance);
        if (_auctions[account].id == 0) return;
        margin.equity = 0;
        _end(account, _auctions[account], margin);
        clearinghouse.endLiquidation(account);
    }

    /// @inheritdoc IAuctions
    function requireHoldBack(AccountId account, int256 cash, int256 left, uint256 totalCash) external {
        if (msg.sender != address(clearinghouse)) revert NotClearinghouse(msg.sender);
        uint256 least = _holdBackOf(account, cash, totalCash);
        if (least == 0) return;
        if (left < int256(least)) revert CashHeldBack(account, least, left);
        _heldBack[account] = HeldBack(least.toUint128(), _shortfallEpisode);
    }

    /// @inheritdoc IAuctions
    function setParameters(AuctionParameters calldata parameters) external restricted {
        _addParameters(parameters);
    }

    // Views -------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAuctions
    function auctionOf(AccountId account) external view returns (AuctionView memory found) {
        Auction memory auction = _auctions[account];
        if (auction.id == 0) return found;
        Margin memory margin = clearinghouse.marginOf(account);
        AuctionParameters memory parameters = _parameterSets[auction.parameterSet];
        bool recovered = _hasRecovered(margin);
        if (!recovered) _advance(auction, margin, parameters);
        Sale memory sale = _saleOf(auction, margin, parameters);

        found.id = auction.id;
        found.phase = auction.phase;
        found.startedAt = auction.startedAt;
        found.observedAt = _auctions[account].observedAt;
        found.elapsed = auction.elapsed;
        found.insolvent = auction.phase != Phase.Solvent;
        found.discount = found.insolvent ? 0 : sale.rate;
        found.premiumRate = found.insolvent ? sale.rate : 0;
        found.equity = margin.equity;
        found.proceeds = auction.proceeds;
        found.price = AuctionMath.price(sale, true);
        if (recovered) return found;
        (found.minFraction, found.maxFraction) = AuctionMath.fractions(sale, _minimumFraction(parameters));
    }

    /// @inheritdoc IAuctions
    function previewBid(Bid calldata terms) external view returns (BidOutcome memory outcome) {
        _requireUnrelated(terms, terms.bidder.ownerOf());
        (Auction memory auction, AuctionParameters memory parameters) = _auction(terms.liquidated);
        _requireTerms(terms, auction, clearinghouse.positionNonceOf(terms.liquidated));
        (Margin memory margin, UnderlyingRisk[] memory parts) = clearinghouse.marginInPartsOf(terms.liquidated);
        if (_hasRecovered(margin)) return outcome;
        _advance(auction, margin, parameters);
        return _outcome(auction, _saleOf(auction, margin, parameters), parameters, terms, _coverFor(parts));
    }

    /// @inheritdoc IAuctions
    function isLive(AccountId account) external view returns (bool) {
        return _auctions[account].id != 0;
    }

    /// @inheritdoc IAuctions
    function openShortfall() external view returns (uint256) {
        return _openShortfall;
    }

    /// @inheritdoc IAuctions
    function holdBackOf(AccountId account) external view returns (uint256) {
        return _holdBackOf(account, clearinghouse.cashOf(account), clearinghouse.vaultState().totalCash);
    }

    /// @inheritdoc IAuctions
    function latestParameters() external view returns (uint16 set, AuctionParameters memory parameters) {
        set = uint16(_parameterSets.length - 1);
        parameters = _parameterSets[set];
    }

    // Bids --------------------------------------------------------------------------------------------------------

    function _requireMayBidFor(AccountId bidder) private view {
        if (msg.sender != bidder.ownerOf() && !exchange.isDelegate(bidder, msg.sender)) {
            revert NotAuthorised(bidder, msg.sender);
        }
    }

    function _requireUnrelated(Bid calldata terms, address caller) private view {
        if (_auctions[terms.bidder].id != 0) revert AlreadyInAuction(terms.bidder);
        if (_areRelated(terms.liquidated, terms.bidder, caller)) revert RelatedBidder(terms.liquidated, terms.bidder);
    }

    /// @dev What a bid names must still be so; prices and fractions come later.
    function _requireTerms(Bid memory terms, Auction memory auction, uint64 positionNonce) private pure {
        if (auction.id != terms.auctionId) revert AuctionChanged(terms.liquidated, terms.auctionId, auction.id);
        if (positionNonce != terms.positionNonce) {
            revert PortfolioChanged(terms.liquidated, terms.positionNonce, positionNonce);
        }
    }

    function _areRelated(AccountId liquidated, AccountId bidder, address caller) private view returns (bool) {
        (address owner, address bidderOwner) = (liquidated.ownerOf(), bidder.ownerOf());
        if (owner == bidderOwner || exchange.isDelegate(liquidated, bidderOwner)) return true;
        if (exchange.isDelegate(bidder, owner)) return true;
        return caller != bidderOwner && exchange.isDelegate(liquidated, caller);
    }

    /// @dev Reverts on worse terms than the bidder's.
    function _outcome(
        Auction memory auction,
        Sale memory sale,
        AuctionParameters memory parameters,
        Bid memory terms,
        Cover memory cover
    ) private view returns (BidOutcome memory outcome) {
        (uint256 least, uint256 most) = AuctionMath.fractions(sale, _minimumFraction(parameters));
        outcome.fraction = Math.min(terms.fraction, most);
        uint256 required = Math.max(terms.minFraction, least);
        if (outcome.fraction < required) revert FractionBelowMinimum(outcome.fraction, required);

        uint256 deficit;
        (outcome.payment, outcome.reward, deficit) = AuctionMath.settlement(sale, outcome.fraction);
        uint256 price = AuctionMath.pricePerEquityUp(sale, outcome.fraction == AuctionMath.WAD);
        if (price > terms.maxPricePerEquity) revert PriceAboveMaximum(price, terms.maxPricePerEquity);
        if (outcome.reward != 0) _fundReward(auction, outcome, deficit, cover);
    }

    /// @dev Who pays the reward: set-aside proceeds, first for the premium; then the insurance fund, for premiums only what
    ///      this auction has left of its share; then nobody.
    function _fundReward(
        Auction memory auction,
        BidOutcome memory outcome,
        uint256 deficit,
        Cover memory cover
    ) private view {
        outcome.fromProceeds = Math.min(outcome.reward, auction.proceeds);
        uint256 premium = Math.saturatingSub(outcome.reward - deficit, outcome.fromProceeds);
        uint256 deficitLeft = outcome.reward - outcome.fromProceeds - premium;
        cover.insured = deficitLeft + Math.min(premium, auction.premiumLeft);
        outcome.fromInsurance = insuranceFund.coverOf(cover.insured, cover.underlyings, cover.contributions);
        outcome.uncovered = outcome.reward - outcome.fromProceeds - outcome.fromInsurance;
        // Not above what was left: both bound it.
        auction.premiumLeft -= uint128(Math.saturatingSub(outcome.fromInsurance, deficitLeft));
    }

    /// @dev What the fund pays counts for underlyings by what they add to maintenance margin.
    function _coverFor(UnderlyingRisk[] memory parts) private pure returns (Cover memory cover) {
        (cover.underlyings, cover.contributions) = (new uint8[](parts.length), new int256[](parts.length));
        for (uint256 i; i < parts.length; ++i) {
            cover.underlyings[i] = parts[i].underlying;
            cover.contributions[i] = parts[i].loss + int256(parts[i].charges);
        }
    }

    function _describe(Slice memory slice, Auction memory auction, BidOutcome memory outcome) private pure {
        slice.fraction = outcome.fraction;
        slice.payment = outcome.payment;
        slice.keptCash = auction.proceeds - outcome.fromProceeds;
        slice.fromProceeds = outcome.fromProceeds;
        slice.fromInsurance = outcome.fromInsurance;
        slice.uncovered = outcome.uncovered;
    }

    function _emitBid(Bid memory terms, Auction memory auction, Sale memory sale, BidOutcome memory outcome) private {
        emit BidTaken(
            terms.liquidated,
            terms.bidder,
            auction.id,
            outcome.fraction,
            AuctionMath.equityForSale(sale),
            sale.phase == Phase.Solvent ? sale.rate : 0,
            outcome.payment,
            outcome.reward,
            outcome.fromProceeds,
            outcome.fromInsurance,
            outcome.uncovered
        );
    }

    // One auction through time ------------------------------------------------------------------------------------

    function _auction(AccountId account)
        private
        view
        returns (Auction memory auction, AuctionParameters memory parameters)
    {
        auction = _auctions[account];
        if (auction.id == 0) revert NoAuction(account);
        parameters = _parameterSets[auction.parameterSet];
    }

    /// @dev Brings the auction of an account in need up to now, with events of what turned since.
    function _bringUp(
        AccountId account,
        Auction memory auction,
        Margin memory margin,
        AuctionParameters memory parameters
    ) private {
        bool wasSolvent = auction.phase == Phase.Solvent;
        if (_advance(auction, margin, parameters)) emit AuctionClockRestarted(account, auction.id);
        bool isSolvent = auction.phase == Phase.Solvent;
        if (wasSolvent && !isSolvent) emit AuctionTurnedInsolvent(account, auction.id);
        if (!wasSolvent && isSolvent) emit AuctionTurnedSolvent(account, auction.id);
    }

    /// @dev Runs the clock to now, then turns the phase. Writes nothing.
    function _advance(
        Auction memory auction,
        Margin memory margin,
        AuctionParameters memory parameters
    ) private view returns (bool restarted) {
        uint256 unseen = block.timestamp - auction.observedAt;
        restarted = unseen > parameters.observationSeconds;
        if (restarted) {
            auction.elapsed = 0;
            if (auction.phase == Phase.Exhausted) auction.phase = Phase.Insolvent;
        } else {
            uint256 speed = auction.phase == Phase.Solvent
                ? Math.min(auction.speed, _speedOf(margin, parameters))
                : AuctionMath.WAD;
            auction.elapsed = (auction.elapsed + unseen * speed).toUint96();
        }
        _turn(auction, margin, parameters);
    }

    function _turn(Auction memory auction, Margin memory margin, AuctionParameters memory parameters) private view {
        Phase next = AuctionMath.nextPhase(_saleOf(auction, margin, parameters), parameters);
        if (next == auction.phase) return;
        auction.phase = next;
        auction.elapsed = 0;
        if (next == Phase.Solvent || auction.premiumGranted) return;
        auction.premiumGranted = true;
        auction.premiumLeft =
            Math.mulDiv(insuranceFund.reserves(), parameters.premiumFundShare, AuctionMath.BILLION).toUint128();
    }

    /// @dev Seen in need now.
    function _record(
        AccountId account,
        Auction memory auction,
        Margin memory margin,
        AuctionParameters memory parameters
    ) private {
        auction.observedAt = uint40(block.timestamp);
        auction.speed = uint72(_speedOf(margin, parameters));
        uint128 shortfall = margin.equity < 0 ? uint256(-margin.equity).toUint128() : 0;
        _replaceShortfall(auction.shortfall, shortfall);
        auction.shortfall = shortfall;
        _auctions[account] = auction;
    }

    /// @dev The clearinghouse is told by the caller.
    function _end(AccountId account, Auction memory auction, Margin memory margin) private {
        _replaceShortfall(auction.shortfall, 0);
        delete _auctions[account];
        emit AuctionEnded(account, auction.id, margin.equity, auction.proceeds);
    }

    function _replaceShortfall(uint128 old, uint128 current) private {
        if (old == current) return;
        if (_openShortfall == 0) ++_shortfallEpisode;
        _openShortfall = _openShortfall - old + current;
    }

    /// @dev Never less than at an earlier withdrawal in the same shortfall: many small ones leave what one would.
    function _holdBackOf(AccountId account, int256 cash, uint256 totalCash) private view returns (uint256 least) {
        uint256 shortfall = _openShortfall;
        if (shortfall == 0 || cash <= 0) return 0;
        uint256 missing = Math.saturatingSub(shortfall, insuranceFund.reserves());
        if (missing == 0) return 0;
        least = Math.mulDiv(uint256(cash), Math.min(missing, totalCash), totalCash, Math.Rounding.Ceil);
        HeldBack memory held = _heldBack[account];
        if (held.episode == _shortfallEpisode) least = Math.max(least, held.amount);
    }

    // Readings ----------------------------------------------------------------------------------------------------

    function _saleOf(
        Auction memory auction,
        Margin memory margin,
        AuctionParameters memory parameters
    ) private pure returns (Sale memory) {
        return Sale({
            phase: auction.phase,
            rate: auction.phase == Phase.Solvent
                ? AuctionMath.discountDown(auction.elapsed, parameters)
                : AuctionMath.premiumRateDown(auction.elapsed, parameters.premiumSeconds),
            equity: margin.equity,
            proceeds: auction.proceeds,
            target: int256(margin.liquidationEndMargin) - int256(margin.haltBonus),
            maintenanceMargin: margin.maintenanceMargin,
            fixedCharge: margin.fixedCharge
        });
    }

    function _hasRecovered(Margin memory margin) private pure returns (bool) {
        return margin.equity + int256(margin.haltBonus) >= int256(margin.liquidationEndMargin);
    }

    function _speedOf(Margin memory margin, AuctionParameters memory parameters) private pure returns (uint256) {
        int256 bestEquity = margin.equity + int256(margin.haltBonus);
        return AuctionMath.clockSpeedDown(bestEquity, margin.maintenanceMargin, parameters.fastestClock);
    }

    function _minimumFraction(AuctionParameters memory parameters) private pure returns (uint256) {
        return uint256(parameters.minimumFraction) * AuctionMath.BILLION;
    }

    function _bounty(
        AccountId account,
        AccountId bountyTo,
        int256 equity,
        AuctionParameters memory parameters
    ) private pure returns (uint256) {
        if (equity <= 0 || bountyTo == account || bountyTo.ownerOf() == address(0)) {
            return 0;
        }
        uint256 share = Math.mulDiv(uint256(equity), parameters.bountyRate, AuctionMath.BILLION);
        return Math.min(share, parameters.bountyCap);
    }

    function _holdsNothing(AccountId account) private view returns (bool) {
        AccountView memory found = clearinghouse.accountOf(account);
        return found.collaterals.length == 0 && found.positions.length == 0;
    }

    function _addParameters(AuctionParameters memory parameters) private {
        AuctionParameterBounds.requireWithin(parameters);
        _parameterSets.push(parameters);
        emit AuctionParametersSet(uint16(_parameterSets.length - 1), parameters);
    }
}
