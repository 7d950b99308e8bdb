// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    CashWord,
    Header,
    IndexWord,
    MAX_EPOCH,
    MAX_INDEX,
    PairWord,
    PastShares,
    PositionWord,
    packCash,
    packHeader,
    packIndices,
    packPair,
    packPastShares,
    packPosition,
    positionNonceIn,
    unpackCash,
    unpackHeader,
    unpackIndices,
    unpackPair,
    unpackPastShares
} from "../../contracts/clearinghouse/Words.sol";
import {NonceStatus, NonceWord, nonceWordIndex} from "../../contracts/exchange/NonceWord.sol";
import {AccountId, ISOLATED_BIT, accountIdOf} from "../../contracts/types/AccountId.sol";
import {expiryKeyOf, expiryOfKey, underlyingOfKey} from "../../contracts/types/ExpiryKey.sol";
import {Surface, SurfaceWord, packSurface} from "../../contracts/types/ExpiryQuote.sol";
import {InstrumentId, InstrumentKind, OptionType, instrumentIdOf} from "../../contracts/types/InstrumentId.sol";

/// @title What is packed comes out again, or packing reverts
contract WordsTest {
    /// @dev Every cash that is packed at all; the index and the epoch within their bits, as the callers promise.
    function check_cash(int256 cash, uint112 index, uint16 epoch) external pure {
        (int256 a, uint256 b, uint256 c) = unpackCash(packCash(cash, index, epoch));
        assert(a == cash && b == index && c == epoch);
    }

    function check_pastShares(uint256 shares, uint64 from, uint64 until) external pure {
        (uint256 a, uint256 b, uint256 c) = unpackPastShares(packPastShares(shares, from, until));
        assert(a == shares && b == from && c == until);
    }

    function check_pair(uint256 first, uint256 second) external pure {
        (uint256 a, uint256 b) = unpackPair(packPair(first, second));
        assert(a == first && b == second);
    }

    /// @dev Up to the bounds that the library states.
    function check_indices(uint256 supply, uint256 borrow, uint32 accruedAt, uint256 epoch) external pure {
        if (supply > MAX_INDEX || borrow > MAX_INDEX || epoch > MAX_EPOCH) return;
        (uint256 a, uint256 b, uint256 c, uint256 d) = unpackIndices(packIndices(supply, borrow, accruedAt, epoch));
        assert(a == supply && b == borrow && c == accruedAt && d == epoch);
    }

    function check_position(uint24 instrument, int256 size, int256 quote) external pure {
        PositionWord word = packPosition(instrument, size, quote);
        assert(word.instrumentIn() == instrument && word.sizeIn() == size && word.quoteIn() == quote);
    }

    function check_header(uint64 assets, uint8 count, uint8 bound, bool inLiquidation, uint64 nonce) external pure {
        uint256 word = packHeader(Header(assets, count, bound, inLiquidation, nonce));
        Header memory found;
        unpackHeader(word, found);
        assert(found.assets == assets && found.positionCount == count && found.boundUnderlying == bound);
        assert(found.inLiquidation == inLiquidation && found.positionNonce == nonce && positionNonceIn(word) == nonce);
    }

    function check_accountId(address owner, uint96 subAccount) external pure {
        AccountId id = accountIdOf(owner, subAccount);
        assert(id.ownerOf() == owner && id.subAccountOf() == subAccount);
        assert(id.isIsolated() == (subAccount & ISOLATED_BIT != 0));
    }

    function check_accountId_other(address owner, uint96 subAccount, address other, uint96 otherSub) external pure {
        bool same = owner == other && subAccount == otherSub;
        assert((accountIdOf(owner, subAccount) == accountIdOf(other, otherSub)) == same);
        assert((accountIdOf(owner, subAccount) != accountIdOf(other, otherSub)) == !same);
    }

    function check_instrumentId(
        uint8 kind,
        uint8 underlying,
        uint40 expiry,
        uint8 option,
        uint128 strike
    ) external pure {
        if (kind > uint8(type(InstrumentKind).max) || option > uint8(type(OptionType).max)) return;
        InstrumentId id = instrumentIdOf(InstrumentKind(kind), underlying, expiry, OptionType(option), strike);
        assert(id.kindOf() == InstrumentKind(kind) && id.underlyingOf() == underlying && id.expiryOf() == expiry);
        assert(id.optionTypeOf() == OptionType(option) && id.strikeOf() == strike);
    }

    function check_expiryKey(uint8 underlying, uint40 expiry) external pure {
        uint256 key = expiryKeyOf(underlying, expiry);
        assert(underlyingOfKey(key) == underlying && expiryOfKey(key) == expiry);
    }

    function check_surface(int32 premium, int40 a, uint40 b, int32 rho, int40 m, uint40 s, uint32 at) external pure {
        SurfaceWord word = packSurface(Surface(premium, a, b, rho, m, s, at));
        Surface memory found = word.unpackSurface();
        assert(found.premium == premium && word.premiumOf() == premium && found.a == a && found.b == b);
        assert(found.rho == rho && found.m == m && found.s == s && found.publishedAt == at);
    }

    /// @dev One status is set, and no other nonce's of the word.
    function check_nonceStatus(uint256 raw, uint64 nonce, uint64 other, uint8 status) external pure {
        if (status > uint8(type(NonceStatus).max)) return;
        NonceWord word = NonceWord.wrap(raw);
        NonceWord changed = word.withStatus(nonce, NonceStatus(status));
        assert(changed.statusOf(nonce) == NonceStatus(status));
        bool isNeighbour = nonceWordIndex(nonce) == nonceWordIndex(other) && nonce != other;
        if (isNeighbour) assert(changed.statusOf(other) == word.statusOf(other));
    }
}
