// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OracleState} from "../types/Quote.sol";

/// @dev 12 + 1 + 4 + 3 = 20 bytes. The settlement token's price enters every quote, and is read once in a while only.
struct SettlementPrice {
    uint96 usd; // wad
    OracleState state;
    uint32 readAt;
    uint24 memoryTime; // seconds for which it is not read again
}

/// @dev 12 + 12 + 4 + 4 = 32 bytes. Prices in wad of the value unit, of the settlement token in USD.
struct Observation {
    uint96 index; // last good price
    uint96 stable; // at `refreshedAt`
    uint32 publishedAt; // newest accepted report of the first source
    uint32 refreshedAt;
}

/// @dev 20 + 3 + 3 + 2 + 3 = 31 bytes.
struct FirstSource {
    address source;
    uint24 maxAge;
    uint24 haltAge;
    uint16 stepBps;
    uint24 stableDelay;
}

/// @dev 12 + 4 + 4 + 4 + 2 + 2 + 2 + 1 + 1 = 32 bytes. The second source's price as last read, and what decides `Wide`.
struct CrossCheck {
    uint96 price; // USD, wad
    uint32 expiresAt; // last second at which `price` counts: its publication + the second source's greatest age
    uint32 servedAt; // publication of the newest report of the second source that became the price
    uint32 wideUntil;
    uint16 wideBps;
    uint16 confidenceBps;
    uint16 stableRateBps;
    bool hasSecond;
    bool levelPending; // whether `StandingLevel` means anything
}

/// @dev 20 + 3 + 3 + 3 + 2 = 31 bytes.
struct SecondSource {
    address source;
    uint24 maxAge;
    uint24 standTime;
    uint24 fallbackDelay;
    uint16 agreementBps;
}

/// @dev 12 + 4 + 2 = 18 bytes. A level that a refused step is waiting at.
struct StandingLevel {
    uint96 level; // value unit, wad
    uint32 since; // when a state-changing read first saw it
    uint16 standBps;
}

/// @dev Five slots. A quiet read loads the first three, and writes the first.
struct OracleEntry {
    Observation observation;
    FirstSource first;
    CrossCheck crossCheck;
    SecondSource second;
    StandingLevel standing;
}
