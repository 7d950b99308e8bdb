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
import {AccountId, accountIdOf} from "../types/AccountId.sol";

/// @title The insurance fund
/// @notice Shares carry 6 decimals more than the asset, virtual ones among them: a donation before the first deposit costs a
///         million times what it can take from it.
contract InsuranceFund is IInsuranceFund, ERC4626, AccessManaged {
    using SafeCast for uint256;
    using SafeERC20 for IERC20Metadata;

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
    uint32 private _hourlyFraction = 250_000_000;
    uint40 private _paidAt;
    uint128 private _paid; // within the hour, as of `_paidAt`, wad
    mapping(address holder => RedemptionRequest) private _requests;

    constructor(
        address authority,
        IClearinghouse clearinghouse_,
        IERC20Metadata token
    ) ERC4626(token) ERC20("Ballast Insurance Fund", "ballastIF") AccessManaged(authority) {
        clearinghouse = clearinghouse_;
        _token = token;
        _tokenUnit = 10 ** (18 - token.decimals());
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
    function draw(AccountId to, uint256 amount) external returns (uint256 paid) {
        if (msg.sender != auctions) revert NotAuctions(msg.sender);
        uint256 paidLately = _paidLately();
        paid = Math.min(amount, _available(paidLately));
        _paid = (paidLately + paid).toUint128();
        _paidAt = uint40(block.timestamp);
        emit Drawn(to, amount, paid);
    }

    /// @inheritdoc IInsuranceFund
    function available() external view returns (uint256) {
        return _available(_paidLately());
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

    /// @dev The limit is of what the fund would hold had it paid nothing: splitting a draw does not shrink it.
    function _available(uint256 paidLately) private view returns (uint256) {
        uint256 held = reserves();
        uint256 limit = Math.mulDiv(held + paidLately, _hourlyFraction, BILLION);
        return Math.min(held, Math.saturatingSub(limit, paidLately));
    }

    function _paidLately() private view returns (uint256) {
        uint256 elapsed = Math.min(block.timestamp - _paidAt, OUTFLOW_PERIOD);
        return Math.mulDiv(_paid, OUTFLOW_PERIOD - elapsed, OUTFLOW_PERIOD, Math.Rounding.Ceil);
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
    function setOutflowLimit(uint32 hourlyFraction) external restricted {
        _requireWithin("hourlyFraction", hourlyFraction, BILLION / 100, BILLION);
        _hourlyFraction = hourlyFraction;
        emit OutflowLimitSet(hourlyFraction);
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
    function outflowLimit() external view returns (uint32 hourlyFraction, uint256 paidLately) {
        return (_hourlyFraction, _paidLately());
    }

    function _requireWithin(bytes32 name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least) revert ParameterOutOfBounds(name, value, least);
        if (value > most) revert ParameterOutOfBounds(name, value, most);
    }
}
