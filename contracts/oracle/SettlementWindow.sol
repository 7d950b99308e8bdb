// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice What is known of an expiry's settlement price, in one slot.
///
///   255    226 225       224 223       216 215      208 207     200 199      104 103           0
///  +----------+-------------+-------------+------------+-----------+------------+---------------+
///  | zero     | flags (2)   | observed (8)| counted (8)| next (8)  | last (96)  | sum (104)     |
///  +----------+-------------+-------------+------------+-----------+------------+---------------+
///   flags: 1 = listed, 2 = settled. last = the newest observation, wad; the settlement price once settled.
type WindowWord is uint256;

/// @notice The fields of a window word.
/// @param isListed Whether the expiry was ever listed.
/// @param isSettled Whether `last` is the settlement price.
/// @param observed Buckets with an observation of their own.
/// @param counted Buckets in `sum`: the observed, and those before the newest that a value was carried over to.
/// @param next The first bucket that can still be observed.
/// @param last Wad.
/// @param sum Wad.
struct Window {
    bool isListed;
    bool isSettled;
    uint256 observed;
    uint256 counted;
    uint256 next;
    uint256 last;
    uint256 sum;
}

/// @title How a settlement price is averaged, and what is known of it before
/// @notice `ballast.risk.expiry` is its twin.
library SettlementWindow {
    uint256 internal constant LENGTH = 30 minutes;
    uint256 internal constant BUCKET = 1 minutes;
    uint256 internal constant BUCKETS = 30;
    uint256 internal constant LEAST_OBSERVED = 20;
    uint256 internal constant MOST_CARRIED = 3;
    uint256 internal constant TENOR_DIVISOR = 3;
    uint256 private constant WAD = 1e18;

    function unpack(WindowWord word) internal pure returns (Window memory window) {
        uint256 raw = WindowWord.unwrap(word);
        window.isListed = raw & (1 << 224) != 0;
        window.isSettled = raw & (1 << 225) != 0;
        window.observed = uint8(raw >> 216);
        window.counted = uint8(raw >> 208);
        window.next = uint8(raw >> 200);
        window.last = uint96(raw >> 104);
        window.sum = uint104(raw);
    }

    /// @dev Every field fits: prices have 96 bits, and 30 of them 101.
    function pack(Window memory window) internal pure returns (WindowWord) {
        uint256 flags = (window.isSettled ? 2 : 0) | (window.isListed ? 1 : 0);
        return WindowWord.wrap(
            (flags << 224) | (window.observed << 216) | (window.counted << 208) | (window.next << 200)
                | (window.last << 104) | window.sum
        );
    }

    /// @notice Counts an observation, and first the newest one over to buckets that were missed.
    /// @param bucket Not before `window.next`.
    function add(Window memory window, uint256 bucket, uint256 price) internal pure {
        carry(window, bucket);
        window.sum += price;
        window.last = price;
        ++window.counted;
        ++window.observed;
        window.next = bucket + 1;
    }

    /// @notice Counts the newest observation for the buckets missed since, `MOST_CARRIED` of them at most.
    /// @param bucket The first bucket that is not counted.
    function carry(Window memory window, uint256 bucket) internal pure {
        if (window.observed == 0 || bucket <= window.next) return;
        uint256 missed = bucket - window.next;
        uint256 carried = missed < MOST_CARRIED ? missed : MOST_CARRIED;
        window.sum += carried * window.last;
        window.counted += carried;
    }

    /// @notice The settlement price of a window that is over; 0 where too little of it was observed.
    function priceOf(Window memory window) internal pure returns (uint256) {
        if (window.isSettled) return window.last;
        if (window.observed < LEAST_OBSERVED) return 0;
        carry(window, BUCKETS);
        return averageOf(window);
    }

    /// @notice Rounded down; 0 where nothing is counted.
    function averageOf(Window memory window) internal pure returns (uint256) {
        return window.counted == 0 ? 0 : window.sum / window.counted;
    }

    /// @notice What is known within the window: with `known` seconds counted and `rest` to come,
    ///
    ///             fixedPart = ⌊average · known / (known + rest)⌋,  openShare = ⌊rest / (known + rest)⌋
    ///
    ///         While no bucket is missing, known + rest is the whole window. A minute that has no price is neither:
    ///         the others weigh more. Where too few buckets are left to reach `LEAST_OBSERVED`, nothing is known.
    /// @param rest Seconds to expiry, 1 to `LENGTH`.
    /// @return fixedPart Wad of the value unit.
    /// @return openShare Wad.
    function partsOf(Window memory window, uint256 rest) internal pure returns (uint256 fixedPart, uint256 openShare) {
        uint256 elapsed = LENGTH - rest;
        uint256 bucket = elapsed / BUCKET;
        uint256 first = bucket > window.next ? bucket : window.next;
        if (window.observed == 0 || window.observed + BUCKETS - first < LEAST_OBSERVED) return (0, WAD);
        carry(window, bucket);
        uint256 known = window.counted * BUCKET;
        if (known > elapsed) known = elapsed;
        uint256 whole = known + rest;
        return (window.sum * known / (window.counted * whole), WAD * rest / whole);
    }
}
