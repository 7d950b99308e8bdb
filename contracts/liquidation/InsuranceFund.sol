// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAuctions} from "../interfaces/IAuctions.sol";
import {IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {IInsuranceFund, RedemptionRequest} from "../interfaces/IInsuranceFund.sol";
import {positivePart} from "../math/FixedPoint.sol";
import {AccountId, accountIdOf} from "../types/AccountId.sol";

/// @notice What of a draw counts for one underlying, wad.
struct Part {
    uint8 underlying;
    uint256 paid;
}

/// @title The insurance fund
/// @notice Shares carry 6 decimals more than the asset, virtual ones among them: a donation before the first deposit costs a
///         million times what it can take from it.
contract InsuranceFund is IInsuranceFund, ERC4626, AccessManaged {
    using SafeCast for uint256;
    using SafeERC20 for IERC20Metadata;

    /// @dev One slot: 16 + 5 + 4 = 25 bytes.
    struct Outflow {
        uint128 paid; // within the hour, as of `at`, wad
        uint40 at;
        uint32 fraction; // 1e9 is one; 0 is `_underlyingFraction`
    }

    uint256 private constant BILLION = 1e9;
    uint256 private constant OUTFLOW_PERIOD = 1 hours;
    uint40 private constant REDEMPTION_WINDOW = 2 days;

    IClearinghouse public immutable clearinghouse;
    IERC20Metadata private immutable _token;
    uint256 private immutable _tokenUnit; // in wad

    /// @inheritdoc IInsuranceFund
    address public auctions;
    /// @inheritdoc IInsuranceFund
    uint32 public cooldown = 7 days;
    uint32 private _underlyingFraction = 150_000_000;
    Outflow private _outflow; // in all
    mapping(uint8 underlying => Outflow) private _outflows;
    mapping(address holder => RedemptionRequest) private _requests;

    constructor(
        address authority,
        IClearinghouse clearinghouse_,
        IERC20Metadata token
    ) ERC4626(token) ERC20("Ballast Insurance Fund", "ballastIF") AccessManaged(authority) {
        clearinghouse = clearinghouse_;
        _token = token;
        _tokenUnit = 10 ** (18 - token.decimals());
        _outflow.fraction = 250_000_000;
        token.forceApprove(address(clearinghouse_), type(uint256).max);
    }

    modifier locked() {
        clearinghouse.lock();
        _;
        clearinghouse.unlock();
    }

    modifier redeemable(address holder) {
        uint256 shortfall = IAuctions(auctions).openShortfall();
        if (shortfall != 0) revert RedemptionWhileShortfallOpen(shortfall);
        RedemptionRequest memory request = _requests[holder];
        if (!_isReady(request)) {
            revert RedemptionCoolingDown(holder, block.timestamp < request.readyAt ? request.readyAt : 0);
        }
        _;
    }

    // Paying ------------------------------------------------------------------------------------------------------

    /// @inheritdoc IInsuranceFund
    /// @dev Re-entrancy: called by the auctions, who hold the lock.
    function draw(
        AccountId to,
        uint256 amount,
        uint8[] calldata underlyings,
        int256[] calldata contributions
    ) external returns (uint256 paid) {
        if (msg.sender != auctions) revert NotAuctions(msg.sender);
        Part[] memory parts;
        (paid, parts) = _split(amount, underlyings, contributions);
        emit Drawn(to, amount, paid);
        for (uint256 i; i < parts.length; ++i) {
            if (parts[i].paid == 0) continue;
            _record(_outflows[parts[i].underlying], parts[i].paid);
            emit DrawnFor(parts[i].underlying, parts[i].paid);
        }
        if (paid != 0) _record(_outflow, paid);
    }

    /// @inheritdoc IInsuranceFund
    function coverOf(
        uint256 amount,
        uint8[] calldata underlyings,
        int256[] calldata contributions
    ) external view returns (uint256 paid) {
        (paid,) = _split(amount, underlyings, contributions);
    }

    /// @inheritdoc IInsuranceFund
    function available() external view returns (uint256 most) {
        (most,) = _limits();
    }

    /// @dev Each part is of what the ones before have left, so that they add up.
    function _split(
        uint256 amount,
        uint8[] calldata underlyings,
        int256[] calldata contributions
    ) private view returns (uint256 paid, Part[] memory parts) {
        (uint256 rest, uint256 base) = _limits();
        rest = Math.min(rest, amount);
        uint256 weight;
        for (uint256 i; i < contributions.length; ++i) {
            weight += positivePart(contributions[i]);
        }
        if (weight == 0) {
            parts = new Part[](1);
            paid = parts[0].paid = Math.min(rest, _left(_outflows[0], base));
            return (paid, parts);
        }
        parts = new Part[](underlyings.length);
        for (uint256 i; i < parts.length; ++i) {
            uint256 share = positivePart(contributions[i]);
            if (share == 0) continue;
            uint256 part = Math.mulDiv(rest, share, weight);
            (rest, weight) = (rest - part, weight - share);
            parts[i].underlying = underlyings[i];
            parts[i].paid = Math.min(part, _left(_outflows[underlyings[i]], base));
            paid += parts[i].paid;
        }
    }

    /// @return most What can be paid now, whatever for.
    /// @return base What limits are of: what the fund would hold had it paid nothing, so that splitting a draw does not shrink
    ///         them.
    function _limits() private view returns (uint256 most, uint256 base) {
        uint256 held = reserves();
        base = held + _paidLately(_outflow);
        most = Math.min(held, _left(_outflow, base));
    }

    function _left(Outflow storage outflow, uint256 base) private view returns (uint256) {
        return Math.saturatingSub(Math.mulDiv(base, _fractionOf(outflow), BILLION), _paidLately(outflow));
    }

    function _fractionOf(Outflow storage outflow) private view returns (uint32) {
        uint32 own = outflow.fraction;
        return own == 0 ? _underlyingFraction : own;
    }

    function _paidLately(Outflow storage outflow) private view returns (uint256) {
        uint256 elapsed = Math.min(block.timestamp - outflow.at, OUTFLOW_PERIOD);
        return Math.mulDiv(outflow.paid, OUTFLOW_PERIOD - elapsed, OUTFLOW_PERIOD, Math.Rounding.Ceil);
    }

    function _record(Outflow storage outflow, uint256 paid) private {
        outflow.paid = (_paidLately(outflow) + paid).toUint128();
        outflow.at = uint40(block.timestamp);
    }

    /// @inheritdoc IInsuranceFund
    function reserves() public view returns (uint256) {
        int256 cash = clearinghouse.cashOf(account());
        return cash > 0 ? uint256(cash) : 0;
    }

    /// @inheritdoc IInsuranceFund
    function account() public view returns (AccountId) {
        return accountIdOf(address(this), 0);
    }

    // Shares ------------------------------------------------------------------------------------------------------

    /// @notice Settlement tokens behind the shares: the fund's cash, rounded down to token units.
    function totalAssets() public view override returns (uint256) {
        return reserves() / _tokenUnit;
    }

    /// @inheritdoc IInsuranceFund
    /// @dev Re-entrancy: none needed, it calls nothing.
    function requestRedemption(uint256 shares) external {
        uint256 balance = balanceOf(msg.sender);
        if (shares > balance) revert ERC20InsufficientBalance(msg.sender, balance, shares);
        uint40 readyAt = uint40(block.timestamp) + cooldown;
        RedemptionRequest memory request = RedemptionRequest(shares.toUint128(), readyAt, readyAt + REDEMPTION_WINDOW);
        _requests[msg.sender] = request;
        emit RedemptionRequested(msg.sender, shares, request.readyAt, request.lapsesAt);
    }

    function deposit(uint256 assets, address receiver) public override locked returns (uint256) {
        return super.deposit(assets, receiver);
    }

    function mint(uint256 shares, address receiver) public override locked returns (uint256) {
        return super.mint(shares, receiver);
    }

    function withdraw(
        uint256 assets,
        address receiver,
        address holder
    ) public override locked redeemable(holder) returns (uint256) {
        return super.withdraw(assets, receiver, holder);
    }

    function redeem(
        uint256 shares,
        address receiver,
        address holder
    ) public override locked redeemable(holder) returns (uint256) {
        return super.redeem(shares, receiver, holder);
    }

    /// @notice What was requested, while it can be redeemed; 0 while an auction has a shortfall.
    function maxRedeem(address holder) public view override returns (uint256) {
        RedemptionRequest memory request = _requests[holder];
        return _isReady(request) && IAuctions(auctions).openShortfall() == 0 ? request.shares : 0;
    }

    /// @inheritdoc ERC4626
    function maxWithdraw(address holder) public view override returns (uint256) {
        return previewRedeem(maxRedeem(holder));
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        _token.safeTransferFrom(caller, address(this), assets);
        clearinghouse.depositForModule(address(this), assets);
        _mint(receiver, shares);
        emit Deposit(caller, receiver, assets, shares);
    }

    function _withdraw(
        address caller,
        address receiver,
        address holder,
        uint256 assets,
        uint256 shares
    ) internal override {
        if (caller != holder) _spendAllowance(holder, caller, shares);
        // Not above what was requested: `maxRedeem` bounds it.
        _requests[holder].shares -= uint128(shares);
        _burn(holder, shares);
        emit Withdraw(caller, receiver, holder, assets, shares);
        clearinghouse.withdrawForModule(receiver, assets);
    }

    /// @dev Requested shares stay where they are: a share that could move to a holder whose cooldown is over would have none.
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from == address(0) || value == 0) return;
        RedemptionRequest memory request = _requests[from];
        if (block.timestamp <= request.lapsesAt && balanceOf(from) < request.shares) {
            revert SharesAwaitRedemption(from, request.shares);
        }
    }

    function _isReady(RedemptionRequest memory request) private view returns (bool) {
        return request.shares != 0 && request.readyAt <= block.timestamp && block.timestamp <= request.lapsesAt;
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }

    // Settings ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IInsuranceFund
    function connect(address auctions_) external restricted {
        if (auctions != address(0)) revert AlreadyConnected();
        auctions = auctions_;
        emit AuctionsConnected(auctions_);
    }

    /// @inheritdoc IInsuranceFund
    function setOutflowLimit(uint32 hourlyFraction, uint32 underlyingFraction) external restricted {
        _requireWithin("hourlyFraction", hourlyFraction, BILLION / 100, BILLION);
        _requireWithin("underlyingFraction", underlyingFraction, BILLION / 100, BILLION);
        (_outflow.fraction, _underlyingFraction) = (hourlyFraction, underlyingFraction);
        emit OutflowLimitSet(hourlyFraction, underlyingFraction);
    }

    /// @inheritdoc IInsuranceFund
    function setUnderlyingOutflowLimit(uint8 underlying, uint32 fraction) external restricted {
        if (fraction != 0) _requireWithin("fraction", fraction, BILLION / 100, BILLION);
        _outflows[underlying].fraction = fraction;
        emit UnderlyingOutflowLimitSet(underlying, fraction);
    }

    /// @inheritdoc IInsuranceFund
    function setCooldown(uint32 cooldown_) external restricted {
        _requireWithin("cooldown", cooldown_, 1 days, 30 days);
        cooldown = cooldown_;
        emit CooldownSet(cooldown_);
    }

    /// @inheritdoc IInsuranceFund
    function redemptionRequestOf(address holder) external view returns (RedemptionRequest memory) {
        return _requests[holder];
    }

    /// @inheritdoc IInsuranceFund
    function outflowLimit()
        external
        view
        returns (uint32 hourlyFraction, uint32 underlyingFraction, uint256 paidLately)
    {
        return (_outflow.fraction, _underlyingFraction, _paidLately(_outflow));
    }

    /// @inheritdoc IInsuranceFund
    function outflowOf(uint8 underlying) external view returns (uint32 fraction, uint256 paidLately, uint256 left) {
        Outflow storage outflow = _outflows[underlying];
        (, uint256 base) = _limits();
        return (_fractionOf(outflow), _paidLately(outflow), _left(outflow, base));
    }

    function _requireWithin(bytes32 name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least) revert ParameterOutOfBounds(name, value, least);
        if (value > most) revert ParameterOutOfBounds(name, value, most);
    }
}
