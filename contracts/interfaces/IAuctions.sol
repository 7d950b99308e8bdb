// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";

/// @notice A live auction as the next touch would see it.
/// @param id 0 when there is none.
/// @param startedAt Unix second of the start.
/// @param elapsed Seconds the discount clock has run, scaled by its speed, wad seconds.
/// @param discount Of equity for sale, wad. Meaningless while insolvent.
/// @param premiumRate s of the insolvent auction, wad.
/// @param insolvent Whether bids are paid rather than pay.
/// @param equity E, wad.
/// @param proceeds P, cash bids have paid in, wad.
/// @param maxFraction Largest fraction a bid may take now, wad.
struct AuctionView {
    uint64 id;
    uint40 startedAt;
    uint256 elapsed;
    uint256 discount;
    uint256 premiumRate;
    bool insolvent;
    int256 equity;
    uint256 proceeds;
    uint256 maxFraction;
}

/// @notice A bid's terms; it reverts rather than executing on worse ones.
/// @param liquidated The account in auction.
/// @param bidder The account that takes the slice; the caller owns it or is its delegate.
/// @param auctionId The auction the bidder saw.
/// @param positionNonce The liquidated account's nonce the bidder saw; deposits and bids do not change it.
/// @param fraction Most wanted, wad.
/// @param minFraction Least accepted, wad.
/// @param maxPricePerEquity Most paid for a unit of equity for sale, wad (1e18 − discount at best).
struct Bid {
    AccountId liquidated;
    AccountId bidder;
    uint64 auctionId;
    uint64 positionNonce;
    uint256 fraction;
    uint256 minFraction;
    uint256 maxPricePerEquity;
}

/// @notice What a bid did, or would do now.
/// @param fraction Of every balance and position that moves, wad.
/// @param payment From the bidder to the account, value unit, wad (solvent).
/// @param reward To the bidder, wad (insolvent).
/// @param fromProceeds Part of the reward paid by P.
/// @param fromInsurance Part paid by the insurance fund.
/// @param uncovered Part that nobody covered: the protocol's loss.
struct BidOutcome {
    uint256 fraction;
    uint256 payment;
    uint256 reward;
    uint256 fromProceeds;
    uint256 fromInsurance;
    uint256 uncovered;
}

/// @title Margin call, liquidation auctions and write-offs
interface IAuctions {
    event MarginCalled(AccountId indexed account, uint256 shortfall);
    event AuctionStarted(
        AccountId indexed account, uint64 indexed auctionId, int256 equity, uint256 maintenanceMargin, uint256 bounty
    );
    event AuctionClockRestarted(AccountId indexed account, uint64 indexed auctionId);
    event BidTaken(
        AccountId indexed account,
        AccountId indexed bidder,
        uint64 indexed auctionId,
        uint256 fraction,
        int256 equityForSale,
        uint256 discount,
        uint256 payment,
        uint256 reward,
        uint256 fromProceeds,
        uint256 fromInsurance,
        uint256 uncovered
    );
    event AuctionTurnedInsolvent(AccountId indexed account, uint64 indexed auctionId);
    event AuctionTurnedSolvent(AccountId indexed account, uint64 indexed auctionId);
    event AuctionEnded(AccountId indexed account, uint64 indexed auctionId, int256 equity, uint256 proceeds);
    event WrittenOff(AccountId indexed account, uint256 debt, uint256 fromInsurance, uint256 uncovered);

    error NotLiquidatable(AccountId account, int256 equity, uint256 maintenanceMargin);
    error NoMarginCall(AccountId account, int256 equity, uint256 initialMargin);
    error AlreadyInAuction(AccountId account);
    error NoAuction(AccountId account);
    error NotAuthorised(AccountId account, address caller);
    error AuctionChanged(AccountId account, uint64 expected, uint64 actual);
    error PortfolioChanged(AccountId account, uint64 expected, uint64 actual);
    error FractionBelowMinimum(uint256 fraction, uint256 minimum);
    error PriceAboveMaximum(uint256 price, uint256 maximum);
    error RelatedBidder(AccountId liquidated, AccountId bidder);
    error NotWorthless(AccountId account);

    /// @notice Announces that an account is below initial margin and by how much. Delays nothing.
    function call(AccountId account) external;

    /// @notice Starts the auction of an account below maintenance margin; the caller earns a bounty.
    /// @param bountyTo Account the bounty is credited to.
    function start(AccountId account, AccountId bountyTo) external returns (uint64 auctionId);

    /// @notice Brings an auction up to now: ends it if the account has recovered, and keeps its clock running.
    function poke(AccountId account) external;

    function bid(Bid calldata terms) external returns (BidOutcome memory);

    /// @notice Writes off an account that has only debt.
    function writeOff(AccountId account) external;

    function auctionOf(AccountId account) external view returns (AuctionView memory);

    function previewBid(Bid calldata terms) external view returns (BidOutcome memory);

    /// @notice Σ max(0, −E) over live auctions at their last touch, wad.
    function openShortfall() external view returns (uint256);
}
