// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";

/// @notice A holder's wish to redeem.
/// @param shares Not yet redeemed; they cannot be transferred until `lapsesAt`.
/// @param readyAt From this second on they can be redeemed,
/// @param lapsesAt and until this one.
struct RedemptionRequest {
    uint128 shares;
    uint40 readyAt;
    uint40 lapsesAt;
}

/// @title The insurance fund: ERC-4626 shares over the fund's own cash account in the clearinghouse
/// @notice Its assets are the settlement token; the tokens themselves lie in the clearinghouse. Shares are redeemed in two
///         steps, a request and, a cooldown later and inside a window, the redemption: nobody leaves before a loss that he
///         sees coming, nor keeps a standing request to do so.
interface IInsuranceFund {
    event Drawn(AccountId indexed to, uint256 requested, uint256 paid);
    /// @dev What of a `Drawn` counts for one underlying; 0 for what follows none.
    event DrawnFor(uint8 indexed underlying, uint256 paid);
    event OutflowLimitSet(uint32 hourlyFraction, uint32 underlyingFraction);
    event UnderlyingOutflowLimitSet(uint8 indexed underlying, uint32 fraction);
    event CooldownSet(uint32 cooldown);
    event AuctionsConnected(address auctions);
    event RedemptionRequested(address indexed holder, uint256 shares, uint40 readyAt, uint40 lapsesAt);

    error NotAuctions(address caller);
    error AlreadyConnected();
    /// @dev `until` 0: nothing was requested, or the request has lapsed.
    error RedemptionCoolingDown(address holder, uint40 until);
    error RedemptionWhileShortfallOpen(uint256 openShortfall);
    error SharesAwaitRedemption(address holder, uint256 shares);
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 bound);

    /// @notice Auctions only. Grants for `to` what `coverOf` says; the clearinghouse moves the cash from the fund's account in the
    ///         same act.
    /// @return paid Wad.
    function draw(
        AccountId to,
        uint256 amount,
        uint8[] calldata underlyings,
        int256[] calldata contributions
    ) external returns (uint256 paid);

    /// @notice Asks to redeem `shares` of the caller after the cooldown. Replaces an earlier request; 0 withdraws it.
    function requestRedemption(uint256 shares) external;

    /// @notice Once: the auctions that may draw.
    function connect(address auctions) external;

    /// @notice Of what the fund would hold had it paid nothing lately, what it pays out at once: in all, and for any one
    ///         underlying that has no limit of its own. What was paid is forgotten over an hour. 1e9 is one, each within
    ///         [1 %, 100 %]. Restricted.
    function setOutflowLimit(uint32 hourlyFraction, uint32 underlyingFraction) external;

    /// @notice The limit of one underlying; 0 is that of all others. Of underlying 0: of debts that follow none. Restricted.
    function setUnderlyingOutflowLimit(uint8 underlying, uint32 fraction) external;

    /// @notice Seconds from request to redemption, within [1, 30] days, for later requests. Restricted.
    function setCooldown(uint32 cooldown) external;

    /// @notice What the fund could pay out now, whatever for, wad.
    function available() external view returns (uint256);

    /// @notice What `draw` would pay of `amount`: that, or `available` if less, is split over underlyings by their positive
    ///         contributions to the maintenance margin of the account that lacks it, and of each part at most what its
    ///         underlying has left is paid. Without a positive contribution all of it counts for underlying 0.
    /// @param contributions Of each of `underlyings`.
    function coverOf(
        uint256 amount,
        uint8[] calldata underlyings,
        int256[] calldata contributions
    ) external view returns (uint256 paid);

    /// @notice The fund's cash, wad.
    function reserves() external view returns (uint256);

    /// @notice The account that holds the fund's cash.
    function account() external view returns (AccountId);

    function redemptionRequestOf(address holder) external view returns (RedemptionRequest memory);

    /// @return hourlyFraction 1e9 is one.
    /// @return underlyingFraction The same, of any one underlying without a limit of its own.
    /// @return paidLately What counts as paid within the hour now, wad.
    function outflowLimit() external view returns (uint32 hourlyFraction, uint32 underlyingFraction, uint256 paidLately);

    /// @return fraction The limit in force, 1e9 is one.
    /// @return paidLately What counts as paid for it within the hour now, wad.
    /// @return left What could be paid for it now, as far as its own limit goes, wad.
    function outflowOf(uint8 underlying) external view returns (uint32 fraction, uint256 paidLately, uint256 left);

    function cooldown() external view returns (uint32);

    function auctions() external view returns (address);
}
