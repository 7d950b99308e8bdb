// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";

/// @notice Where an auction stands.
/// - Solvent: bidders pay equity for sale less a discount.
/// - Insolvent: equity for sale was ≤ 0; bidders are paid as much as is missing, and a premium.
/// - Exhausted: the discount reached 100 % and nobody came; bidders are paid a premium and asked for nothing.
enum Phase {
    None,
    Solvent,
    Insolvent,
    Exhausted
}

/// @notice How auctions run. Rates and fractions: 1e9 is one. An auction keeps the set it started with.
/// @param startDiscount When the clock starts.
/// @param kneeDiscount After `secondsToKnee`; from there it rises to 100 % in `secondsToFull` more.
/// @param minimumFraction Least fraction a bid takes, unless less is for sale.
/// @param solventAgain Equity ÷ maintenance margin from which an insolvent auction turns solvent again.
/// @param secondsToKnee See `kneeDiscount`.
/// @param secondsToFull See `kneeDiscount`.
/// @param premiumSeconds In which the premium of an insolvent auction rises from 0 to maintenance margin.
/// @param observationSeconds The clock restarts when the account was not seen in need for longer than this.
/// @param fastestClock Most times as fast as time the discount clock runs; a whole number.
/// @param bountyRate Of equity, to who starts an auction.
/// @param premiumFundShare Most of the insurance fund's reserves that one auction's premiums take.
/// @param bountyCap Wad.
struct AuctionParameters {
    uint32 startDiscount;
    uint32 kneeDiscount;
    uint32 minimumFraction;
    uint32 solventAgain;
    uint32 secondsToKnee;
    uint32 secondsToFull;
    uint32 premiumSeconds;
    uint32 observationSeconds;
    uint8 fastestClock;
    uint32 bountyRate;
    uint32 premiumFundShare;
    uint128 bountyCap;
}

/// @notice A live auction as the next touch would see it.
/// @param id 0 when there is none.
/// @param phase See `Phase`.
/// @param startedAt Unix second of the start.
/// @param observedAt Unix second at which the account was last seen below its liquidation-end margin.
/// @param elapsed Seconds the phase's clock has run, scaled by its speed, wad seconds.
/// @param discount Of equity for sale, wad. 0 unless solvent.
/// @param premiumRate Of maintenance margin, wad. 0 while solvent.
/// @param insolvent Whether the phase is insolvent or exhausted.
/// @param equity E, wad.
/// @param proceeds P, cash bids have paid in, wad.
/// @param price What a bidder of the whole account would pay, or if negative receive, wad.
/// @param minFraction Smallest fraction a bid may take now, wad.
/// @param maxFraction Largest fraction a bid may take now, wad; 0 if the next touch ends the auction.
struct AuctionView {
    uint64 id;
    Phase phase;
    uint40 startedAt;
    uint40 observedAt;
    uint256 elapsed;
    uint256 discount;
    uint256 premiumRate;
    bool insolvent;
    int256 equity;
    uint256 proceeds;
    int256 price;
    uint256 minFraction;
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

/// @notice What a bid did, or would do now. All 0 if it ended the auction because the account had recovered.
/// @param fraction Of every balance and position that moves, wad.
/// @param payment From the bidder to the account, wad. 0 where there is a reward.
/// @param reward To the bidder, wad; the sum of the three below.
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
/// @notice E: equity. P: proceeds, cash that bids of the live auction paid in; set aside for the owner and no part of a
///         slice. E − P: equity for sale. R: liquidation-end margin, m: the fixed charge in it.
///
///         A bid takes a fraction f of every balance and position, hedges intact, and pays f · (E − P − concession). The
///         concession is what a taker of the whole gains: discount · (E − P) while solvent; premium rate · maintenance
///         margin while insolvent; while exhausted the larger of that and E − P. Paid where positive, received where
///         negative. m belongs to the premium of the bid that takes the whole: however bids are split, the account and
///         its bidders end where one bid would have left them, to a wei a leg and bid.
///
///         A bid may bring the account to R and no further: f ≤ ⌈(R − E) / (R − m − concession)⌉. It takes the whole where
///         a part would not help: E < 2m while solvent, maintenance margin < 2m otherwise, R − m ≤ concession.
///
///         While an underlying is halted, what it could add to equity at its best node counts as equity for start, end,
///         largest fraction and clock speed.
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
    event AuctionParametersSet(uint16 indexed set, AuctionParameters parameters);

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
    error OnlyDebt(AccountId account);
    error NotWorthless(AccountId account);
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 bound);
    /// @dev `least` must stay until the open shortfall is resolved; `left` would.
    error CashHeldBack(AccountId account, uint256 least, int256 left);

    /// @notice Announces that an account is below initial margin and by how much. Delays nothing.
    function call(AccountId account) external;

    /// @notice Starts the auction of an account below maintenance margin: its orders die, its clock starts, the caller
    ///         earns min(`bountyCap`, `bountyRate` · E), nothing where E ≤ 0.
    /// @dev An account with only debt is not auctioned; see `writeOff`.
    /// @param bountyTo Account the bounty is credited to; 0 or the account itself leaves it where it is.
    function start(AccountId account, AccountId bountyTo) external returns (uint64 auctionId);

    /// @notice Brings an auction up to now: ends it if the account has recovered, and keeps its clock running.
    /// @dev Time counts only while the account was last seen in need less than `observationSeconds` ago, at the slower of
    ///      the speeds min(`fastestClock`, (maintenance margin / E)²) at both ends; after longer, the clock restarts.
    function poke(AccountId account) external;

    /// @notice Takes a slice of an account in auction. If the account has recovered, ends the auction instead, takes
    ///         nothing and returns zeros: a cure does not make bids revert.
    /// @dev Nobody buys his own account: the bidder's owner may not be the liquidated account's owner or delegate, nor may
    ///      that owner be a delegate of the bidding account, nor the caller a delegate of the liquidated one.
    function bid(Bid calldata terms) external returns (BidOutcome memory);

    /// @notice Writes off an account that has only debt: the insurance fund pays it, the rest is the protocol's loss.
    function writeOff(AccountId account) external;

    /// @notice Clearinghouse only, when cash leaves an account by its owner's will: while live auctions lack more than the
    ///         insurance fund holds, everybody leaves his part of what is missing, so that nobody escapes a loss by being
    ///         first. Reverts with `CashHeldBack`.
    /// @param cash Before, wad.
    /// @param left Afterwards, wad.
    /// @param totalCash Σ of positive cash, wad.
    function requireHoldBack(AccountId account, int256 cash, int256 left, uint256 totalCash) external;

    /// @notice Sets how later auctions run; live ones keep theirs. Restricted, bounded in code.
    function setParameters(AuctionParameters calldata parameters) external;

    /// @return set Number of the set in force, ascending from 0.
    /// @return parameters The set.
    function latestParameters() external view returns (uint16 set, AuctionParameters memory parameters);

    function auctionOf(AccountId account) external view returns (AuctionView memory);

    function isLive(AccountId account) external view returns (bool);

    /// @notice What `bid` would do now if the bidder's owner called it, or the same error, except for what becomes of the
    ///         bidder's own margin and limits.
    function previewBid(Bid calldata terms) external view returns (BidOutcome memory);

    /// @return Cash that `account` must leave behind for now, wad; 0 while the insurance fund holds what live auctions lack.
    function holdBackOf(AccountId account) external view returns (uint256);

    /// @notice Σ max(0, −E) over live auctions at their last touch, wad.
    function openShortfall() external view returns (uint256);
}
