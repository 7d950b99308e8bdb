// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ExpiryPhase, ExpiryView, IExpiries} from "../interfaces/IExpiries.sol";
import {ExpiryLimits, IExpiriesAdmin} from "../interfaces/IExpiriesAdmin.sol";
import {IOracleHub} from "../interfaces/IOracleHub.sol";
import {CompactSignature, IQuorumFeed, ReportBatch, ReportKind, SignedReport} from "../interfaces/IQuorumFeed.sol";
import {WAD} from "../math/FixedPoint.sol";
import {expiryKeyOf, expiryOfKey, underlyingOfKey} from "../types/ExpiryKey.sol";
import {ExpiryQuote, Surface, SurfaceWord} from "../types/ExpiryQuote.sol";
import {OracleState, Quote} from "../types/Quote.sol";
import {ExpiryDays} from "./ExpiryDays.sol";
import {ExpiryLimitBounds} from "./ExpiryLimitBounds.sol";
import {OracleMath} from "./OracleMath.sol";
import {PinnedWords} from "./PinnedWords.sol";
import {SettlementWindow, Window, WindowWord} from "./SettlementWindow.sol";
import {SurfaceCheck} from "./SurfaceCheck.sol";

/// @title Forwards, volatility surfaces and settlement prices of the listed expiries
contract Expiries is IExpiries, IExpiriesAdmin, AccessManaged {
    using SafeCast for uint256;
    using SafeERC20 for IERC20Metadata;
    using SettlementWindow for Window;
    using SettlementWindow for WindowWord;

    /// @dev keccak256("ballast.expiries.surfaces") and keccak256("ballast.expiries.windows") with the last six bytes
    ///      zeroed: room for every key.
    uint256 private constant PINNED_SURFACES = 0x7655f90279fa79ae45c98090eac4be8a40e1d708bf21dd5b711d000000000000;
    uint256 private constant PINNED_WINDOWS = 0x26e046c4f54b9dcf3c7b37929e0336d02009a527887680692e66000000000000;
    uint256 private constant TIME_OF_DAY = 8 hours;
    uint256 private constant NEAREST = 1 hours;
    uint256 private constant FARTHEST = 3 * 365 days;
    uint256 private constant MOST_BOUNTY_TOKENS = 10;
    uint256 private constant TIME_MASK = type(uint32).max;

    IERC20Metadata private immutable _token;
    uint256 private immutable _mostBounty;

    /// @inheritdoc IExpiriesAdmin
    IOracleHub public oracleHub;
    /// @inheritdoc IExpiriesAdmin
    IQuorumFeed public quorumFeed;
    ExpiryLimits private _limits = ExpiryLimits({
        maxAge: 15 minutes,
        fallbackDelay: 1 hours,
        stepInterval: 30 seconds,
        stepVarianceBps: 3000,
        stepPremiumBps: 50,
        premiumBps: 100,
        premiumRateBps: 5000,
        leastVolatilityBps: 500,
        mostVolatilityBps: 50_000,
        settlementBps: 1000,
        bounty: 0
    });
    /// @dev Never 0 for a listed expiry.
    mapping(uint256 key => SurfaceWord) private _surfaces;
    /// @dev Never 0 for a listed expiry.
    mapping(uint256 key => WindowWord) private _windows;
    /// @dev Listed and not finalised.
    mapping(uint8 underlying => uint256 list) private _days;

    /// @param authority The access manager.
    /// @param token The settlement token, which bounties are paid in.
    constructor(
        address authority,
        IOracleHub oracleHub_,
        IQuorumFeed quorumFeed_,
        IERC20Metadata token
    ) AccessManaged(authority) {
        oracleHub = oracleHub_;
        quorumFeed = quorumFeed_;
        _token = token;
        _mostBounty = MOST_BOUNTY_TOKENS * 10 ** token.decimals();
    }

    // Quotes ------------------------------------------------------------------------------------------------------

    /// @inheritdoc IExpiries
    function quotesOf(uint256[] calldata keys) external view returns (ExpiryQuote[] memory quotes) {
        uint256 maxAge = _limits.maxAge;
        uint256 count = keys.length;
        quotes = new ExpiryQuote[](count);
        uint256 previous;
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = keys[i];
            if (key <= previous) revert KeysNotAscending(previous, key);
            _fill(quotes[i], key, maxAge);
            previous = key;
        }
    }

    function _fill(ExpiryQuote memory quote, uint256 key, uint256 maxAge) private view {
        uint256 expiry = expiryOfKey(key);
        quote.underlying = underlyingOfKey(key);
        quote.expiry = uint40(expiry);
        if (block.timestamp >= expiry) return _fillExpired(quote, _pinnedWindow(key));
        SurfaceWord surface = _pinnedSurface(key);
        uint256 rest = expiry - block.timestamp;
        quote.surface = surface;
        quote.trusted = _isFresh(surface, maxAge);
        if (rest <= SettlementWindow.LENGTH) return _fillAveraging(quote, _pinnedWindow(key), rest);
        quote.tenor = uint32(rest);
        quote.openShare = uint64(WAD);
    }

    function _fillAveraging(ExpiryQuote memory quote, Window memory window, uint256 rest) private pure {
        (uint256 fixedPart, uint256 openShare) = window.partsOf(rest);
        (quote.fixedPart, quote.openShare) = (uint128(fixedPart), uint64(openShare));
        quote.tenor = uint32(rest / SettlementWindow.TENOR_DIVISOR);
    }

    /// @dev A price that the observations already determine needs nobody's `finalise`.
    function _fillExpired(ExpiryQuote memory quote, Window memory window) private pure {
        uint256 price = window.priceOf();
        if (price == 0) {
            quote.openShare = uint64(WAD);
        } else {
            (quote.fixedPart, quote.trusted) = (uint128(price), true);
        }
    }

    function _isFresh(SurfaceWord surface, uint256 maxAge) private view returns (bool) {
        return block.timestamp - (SurfaceWord.unwrap(surface) & TIME_MASK) <= maxAge;
    }

    function _pinnedSurface(uint256 key) private view returns (SurfaceWord) {
        uint256 word = PinnedWords.load(PINNED_SURFACES, key);
        return word != 0 ? SurfaceWord.wrap(word) : _surfaceOf(key);
    }

    function _pinnedWindow(uint256 key) private view returns (Window memory) {
        uint256 word = PinnedWords.load(PINNED_WINDOWS, key);
        return word != 0 ? WindowWord.wrap(word).unpack() : _windowOf(key);
    }

    function _surfaceOf(uint256 key) private view returns (SurfaceWord surface) {
        surface = _surfaces[key];
        if (SurfaceWord.unwrap(surface) == 0) revert ExpiryNotListed(key);
    }

    function _windowOf(uint256 key) private view returns (Window memory window) {
        window = _windows[key].unpack();
        if (!window.isListed) revert ExpiryNotListed(key);
    }

    // Signed reports ----------------------------------------------------------------------------------------------

    /// @inheritdoc IExpiries
    /// @dev Re-entrancy: none needed, it only reads the quorum feed and the hub.
    function submit(ReportBatch calldata batch, CompactSignature[] calldata signatures) external {
        quorumFeed.verify(batch, signatures);
        uint256 count = batch.reports.length;
        bool[] memory isSurfaceStored = new bool[](count);
        bool isAnyStored;
        for (uint256 i = 0; i < count; ++i) {
            SignedReport calldata report = batch.reports[i];
            if (report.kind == ReportKind.Surface) {
                isSurfaceStored[i] = _takeSurface(report.subject, report.value, batch.publishedAt);
                isAnyStored = isAnyStored || isSurfaceStored[i];
            } else if (report.kind == ReportKind.SettlementPrice) {
                isAnyStored = _takeSettlement(report.subject, report.value) || isAnyStored;
            } else {
                revert IQuorumFeed.ReportKindNotSupported(report.kind);
            }
        }
        if (!isAnyStored) revert NothingNewer(batch.publishedAt);
        for (uint256 i = 0; i < count; ++i) {
            if (!isSurfaceStored[i]) continue;
            bool isFollowed = i + 1 < count && isSurfaceStored[i + 1];
            _checkCalendar(batch.reports[i].subject, isFollowed ? batch.reports[i + 1].subject : 0);
        }
    }

    /// @return Whether it is newer than what is stored, and its expiry still to come.
    function _takeSurface(uint256 key, uint256 value, uint256 publishedAt) private returns (bool) {
        Surface memory previous = _surfaceOf(key).unpackSurface();
        if (block.timestamp >= expiryOfKey(key) || publishedAt <= previous.publishedAt) return false;
        ExpiryLimits memory bounds = _limits;
        uint256 steps = (publishedAt - previous.publishedAt) / bounds.stepInterval;
        if (steps == 0) return false;

        if (value & TIME_MASK != 0) revert MalformedSurface(key, value);
        SurfaceWord word = SurfaceWord.wrap(value | publishedAt.toUint32());
        Surface memory surface = word.unpackSurface();
        uint256 tenor = expiryOfKey(key) - block.timestamp;
        SurfaceCheck.check(key, value, surface, tenor, bounds);
        SurfaceCheck.checkStep(key, previous, surface, tenor, steps, bounds);
        PinnedWords.pin(PINNED_SURFACES, key, SurfaceWord.unwrap(_surfaces[key]));
        _surfaces[key] = word;
        emit SurfaceStored(underlyingOfKey(key), expiryOfKey(key), word);
        return true;
    }

    /// @dev Against the expiries before and after it that are still to come.
    /// @param followed The key that will be held against this one anyway.
    function _checkCalendar(uint256 key, uint256 followed) private view {
        uint8 underlying = underlyingOfKey(key);
        uint256 list = _days[underlying];
        uint256 place = ExpiryDays.placeOf(list, expiryOfKey(key) / 1 days);
        uint256 before = place == 0 ? 0 : ExpiryDays.dayAt(list, place - 1);
        uint256 next = ExpiryDays.dayAt(list, place + 1);
        if (before != 0) _checkPair(expiryKeyOf(underlying, _expiryOn(before)), key);
        if (next == 0) return;
        uint256 nextKey = expiryKeyOf(underlying, _expiryOn(next));
        if (nextKey != followed) _checkPair(key, nextKey);
    }

    function _checkPair(uint256 nearKey, uint256 farKey) private view {
        if (block.timestamp >= expiryOfKey(nearKey)) return;
        SurfaceCheck.checkCalendar(
            nearKey,
            farKey,
            _surfaces[nearKey].unpackSurface(),
            _surfaces[farKey].unpackSurface(),
            expiryOfKey(nearKey) - block.timestamp,
            expiryOfKey(farKey) - block.timestamp
        );
    }

    /// @return Whether it settled the expiry.
    function _takeSettlement(uint256 key, uint256 price) private returns (bool) {
        Window memory window = _windowOf(key);
        if (window.isSettled) return false;
        ExpiryLimits memory bounds = _limits;
        uint256 dueAt = uint256(expiryOfKey(key)) + bounds.fallbackDelay;
        if (block.timestamp < dueAt) revert FallbackNotDue(key, dueAt);
        uint256 observed = window.observed;
        uint256 average = window.priceOf();
        if (average != 0) revert AverageCounts(key, average);

        (Quote[] memory quotes,) = oracleHub.quotesOf(1 << underlyingOfKey(key));
        uint256 index = quotes[0].index;
        if (OracleMath.differs(price, index, bounds.settlementBps)) {
            revert SettlementPriceOutOfBounds(key, price, index, bounds.settlementBps);
        }
        _settle(key, window, price);
        emit Settled(underlyingOfKey(key), expiryOfKey(key), price, observed, true);
        return true;
    }

    // Settlement --------------------------------------------------------------------------------------------------

    /// @inheritdoc IExpiries
    /// @dev Re-entrancy: none needed; the hub only reads, and the token is called after everything is written.
    function observe(uint8 underlying, uint40 expiry) external returns (uint256 price) {
        uint256 key = expiryKeyOf(underlying, expiry);
        Window memory window = _windowOf(key);
        uint256 opensAt = expiry - SettlementWindow.LENGTH;
        bool isOpen = block.timestamp >= opensAt && block.timestamp < expiry;
        if (!isOpen) revert OutsideWindow(key, opensAt, expiry);
        uint256 bucket = (block.timestamp - opensAt) / SettlementWindow.BUCKET;
        if (bucket < window.next) revert BucketObserved(key, bucket);

        price = _indexOf(underlying);
        window.add(bucket, price);
        _write(key, window);
        uint256 bounty = _payBounty();
        emit Observed(underlying, expiry, bucket, price, msg.sender, bounty);
    }

    /// @inheritdoc IExpiries
    /// @dev Re-entrancy: none needed, it calls nothing.
    function finalise(uint8 underlying, uint40 expiry) external returns (uint256 price) {
        uint256 key = expiryKeyOf(underlying, expiry);
        Window memory window = _windowOf(key);
        if (window.isSettled) revert AlreadySettled(key, window.last);
        if (block.timestamp < expiry) revert NotExpired(key);
        uint256 observed = window.observed;
        price = window.priceOf();
        if (price == 0) revert TooFewObservations(key, observed, SettlementWindow.LEAST_OBSERVED);
        _settle(key, window, price);
        emit Settled(underlying, expiry, price, observed, false);
    }

    function _indexOf(uint8 underlying) private returns (uint256) {
        (Quote[] memory quotes,) = oracleHub.refresh(1 << underlying);
        OracleState state = quotes[0].state;
        if (state > OracleState.Wide) revert PriceNotUsable(underlying, state);
        return uint256(quotes[0].index).toUint96();
    }

    function _settle(uint256 key, Window memory window, uint256 price) private {
        window.isSettled = true;
        window.last = price.toUint96();
        _write(key, window);
        uint8 underlying = underlyingOfKey(key);
        _days[underlying] = ExpiryDays.remove(_days[underlying], expiryOfKey(key) / 1 days);
    }

    function _write(uint256 key, Window memory window) private {
        PinnedWords.pin(PINNED_WINDOWS, key, WindowWord.unwrap(_windows[key]));
        _windows[key] = window.pack();
    }

    /// @dev Whatever the token does, the observation stands.
    function _payBounty() private returns (uint256 bounty) {
        bounty = _limits.bounty;
        if (bounty == 0 || _token.balanceOf(address(this)) < bounty) return 0;
        if (!_token.trySafeTransfer(msg.sender, bounty)) return 0;
    }

    // Reports -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IExpiries
    function phaseOf(uint8 underlying, uint40 expiry) public view returns (ExpiryPhase) {
        Window memory window = _windows[expiryKeyOf(underlying, expiry)].unpack();
        if (!window.isListed) return ExpiryPhase.None;
        if (block.timestamp >= expiry) return window.priceOf() == 0 ? ExpiryPhase.Waiting : ExpiryPhase.Settled;
        return expiry - block.timestamp > SettlementWindow.LENGTH ? ExpiryPhase.Live : ExpiryPhase.Averaging;
    }

    /// @inheritdoc IExpiries
    function settlementPriceOf(uint8 underlying, uint40 expiry) public view returns (uint256) {
        Window memory window = _windowOf(expiryKeyOf(underlying, expiry));
        return block.timestamp < expiry ? 0 : window.priceOf();
    }

    /// @inheritdoc IExpiries
    function expiryOf(uint8 underlying, uint40 expiry) external view returns (ExpiryView memory) {
        uint256 key = expiryKeyOf(underlying, expiry);
        SurfaceWord surface = _surfaceOf(key);
        Window memory window = _windowOf(key);
        uint256 opensAt = expiry - SettlementWindow.LENGTH;
        if (!window.isSettled && block.timestamp > opensAt) {
            uint256 end = block.timestamp < expiry ? block.timestamp : expiry;
            window.carry((end - opensAt) / SettlementWindow.BUCKET);
        }
        uint256 price = settlementPriceOf(underlying, expiry);
        bool isOpen = block.timestamp < expiry;
        return ExpiryView({
            phase: phaseOf(underlying, expiry),
            surface: surface,
            trusted: isOpen ? _isFresh(surface, _limits.maxAge) : price != 0,
            observed: uint8(window.observed),
            counted: uint8(window.counted),
            average: window.averageOf(),
            settlementPrice: price
        });
    }

    /// @inheritdoc IExpiries
    function expiriesOf(uint8 underlying) external view returns (uint40[] memory expiries) {
        uint256 list = _days[underlying];
        uint256 count = ExpiryDays.placeOf(list, type(uint256).max);
        expiries = new uint40[](count);
        for (uint256 i = 0; i < count; ++i) {
            expiries[i] = _expiryOn(ExpiryDays.dayAt(list, i));
        }
    }

    /// @inheritdoc IExpiries
    function dueBucket(uint8 underlying, uint40 expiry) external view returns (bool isDue, uint256 bucket) {
        if (phaseOf(underlying, expiry) != ExpiryPhase.Averaging) return (false, 0);
        bucket = (block.timestamp + SettlementWindow.LENGTH - expiry) / SettlementWindow.BUCKET;
        isDue = bucket >= _windowOf(expiryKeyOf(underlying, expiry)).next;
    }

    // Configuration -----------------------------------------------------------------------------------------------

    /// @inheritdoc IExpiriesAdmin
    function listExpiry(uint8 underlying, uint40 expiry, SurfaceWord initial) external restricted {
        uint256 key = expiryKeyOf(underlying, expiry);
        _checkListing(key, underlying, expiry);
        Surface memory surface = initial.unpackSurface();
        if (surface.publishedAt > block.timestamp) revert SurfaceFromFuture(surface.publishedAt, block.timestamp);
        SurfaceCheck.check(key, SurfaceWord.unwrap(initial), surface, expiry - block.timestamp, _limits);

        _surfaces[key] = initial;
        Window memory window;
        window.isListed = true;
        _windows[key] = window.pack();
        _days[underlying] = ExpiryDays.insert(_days[underlying], expiry / 1 days);
        _checkCalendar(key, 0);
        emit ExpiryListed(underlying, expiry, initial);
    }

    function _checkListing(uint256 key, uint8 underlying, uint40 expiry) private view {
        if (expiry % 1 days != TIME_OF_DAY) revert ExpiryOffGrid(expiry);
        if (expiry < block.timestamp + NEAREST) revert ExpiryTooNear(expiry, block.timestamp + NEAREST);
        if (expiry > block.timestamp + FARTHEST) revert ExpiryTooFar(expiry, block.timestamp + FARTHEST);
        if (WindowWord.unwrap(_windows[key]) != 0) revert ExpiryListedBefore(key);
        if (ExpiryDays.isFull(_days[underlying])) revert TooManyExpiries(underlying, ExpiryDays.MOST);
        oracleHub.quotesOf(1 << underlying); // reverts where it has no sources
    }

    function _expiryOn(uint256 day) private pure returns (uint40) {
        return uint40(day * 1 days + TIME_OF_DAY);
    }

    /// @inheritdoc IExpiriesAdmin
    function setLimits(ExpiryLimits calldata limits_) external restricted {
        ExpiryLimitBounds.check(limits_, _mostBounty);
        _limits = limits_;
        emit ExpiryLimitsSet(limits_);
    }

    /// @inheritdoc IExpiriesAdmin
    function setOracles(IOracleHub hub, IQuorumFeed feed) external restricted {
        oracleHub = hub;
        quorumFeed = feed;
        emit OraclesSet(hub, feed);
    }

    /// @inheritdoc IExpiriesAdmin
    function limits() external view returns (ExpiryLimits memory) {
        return _limits;
    }

    /// @inheritdoc IExpiriesAdmin
    function settlementToken() external view returns (address) {
        return address(_token);
    }
}
