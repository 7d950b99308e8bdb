// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {IClearinghouseWaterfall} from "../interfaces/IClearinghouseWaterfall.sol";
import {RAY, mulDivDown, mulDivUp} from "../math/FixedPoint.sol";
import {AccountId} from "../types/AccountId.sol";
import {Cash} from "./Cash.sol";
import {
    MAX_EPOCH,
    PastShares,
    packIndices,
    packPair,
    unpackCash,
    unpackIndices,
    unpackPair,
    unpackPastShares
} from "./Words.sol";
import {Totals} from "./WorkingSet.sol";

/// @title Losses that nobody pays: borne by all who hold cash alike, who keep a claim on what they lost
/// @dev A loss cuts the supply index, and with it every positive balance, in one write. A claim is counted in units: a cut
///      gives each supply share cut / remaining of them, and a repayment lowers `remaining` for all. Sums a share, kept by
///      epoch, tell later what any balance lost that was held from one epoch to another, and what of it was repaid since.
///      `ballast.claims` holds the same integers.
abstract contract Claims is Cash {
    /// @dev A loss below this part of all positive cash waits for more of its kind, so that epochs do not run out.
    uint256 private constant LEAST_LOSS_DIVISOR = 1e6;
    /// @dev At most a half of every balance is cut at once.
    uint256 private constant MAX_CUT_DIVISOR = 2;
    /// @dev Claims of which less than a millionth is left count as repaid when the next loss comes.
    uint256 private constant LEAST_REMAINING = RAY / 1e6;

    /// @dev Spreads the uncovered loss, as far as may be, over all positive cash. On stored books that are accrued to now,
    ///      while no act holds them in memory.
    function _socialise() internal {
        (uint256 tokens, uint256 loss) = unpackPair(_totals.assets);
        (uint256 shares,) = unpackPair(_totals.shares);
        (uint256 supplyIndex, uint256 borrowIndex, uint256 accruedAt, uint256 epoch) = unpackIndices(_totals.indices);
        uint256 cash = mulDivDown(shares, supplyIndex, RAY);
        if (cash == 0 || epoch + 2 > MAX_EPOCH || loss < cash / LEAST_LOSS_DIVISOR || loss == 0) return;
        if (_claims.remaining < LEAST_REMAINING) epoch = _closeClaims(epoch);
        uint256 cut = mulDivUp(loss, RAY, shares);
        if (cut > supplyIndex / MAX_CUT_DIVISOR) cut = supplyIndex / MAX_CUT_DIVISOR;
        uint256 covered = mulDivDown(cut, shares, RAY);
        if (covered > loss) covered = loss;
        supplyIndex -= cut;
        _totals.indices = packIndices(supplyIndex, borrowIndex, accruedAt, epoch + 1);
        _totals.assets = packPair(tokens, loss - covered);
        // What rounding the cut up took more.
        _totals.feesRay += int256(cut * shares - covered * RAY);
        _recordCut(epoch, cut, covered);
        emit IClearinghouseWaterfall.LossSocialised(covered, supplyIndex, loss - covered, epoch + 1);
    }

    function _recordCut(uint256 epoch, uint256 cut, uint256 covered) private {
        ClaimSums memory sums = _claimSums[epoch];
        uint256 remaining = _claims.remaining;
        uint256 units = mulDivDown(cut, RAY, remaining);
        sums.units += SafeCast.toUint128(units);
        sums.value += SafeCast.toUint128(mulDivDown(units, remaining, RAY));
        _claimSums[epoch + 1] = sums;
        _claims.outstanding += SafeCast.toUint128(covered);
    }

    /// @dev Every claim so far counts as repaid in full.
    /// @return next The epoch from which the next ones count.
    function _closeClaims(uint256 epoch) private returns (uint256 next) {
        next = epoch + 1;
        _claimSums[next] = _claimSums[epoch];
        _claims.firstEpoch = uint16(next);
        _claims.remaining = uint96(RAY);
        _claims.outstanding = 0;
    }

    /// @dev Sets income aside for the claims, up to what is outstanding.
    /// @return repaid Of `income`, wad.
    function _repayClaims(Totals memory totals, uint256 income) internal returns (uint256 repaid) {
        uint256 outstanding = _claims.outstanding;
        repaid = income < outstanding ? income : outstanding;
        if (repaid == 0) return 0;
        _claims.pool += uint128(repaid); // below the claims, which fit
        if (repaid < outstanding || totals.epoch == MAX_EPOCH) {
            _claims.remaining = uint96(mulDivUp(_claims.remaining, outstanding - repaid, outstanding));
            _claims.outstanding = uint128(outstanding - repaid);
        } else {
            totals.epoch = _closeClaims(totals.epoch);
            (uint256 supplyIndex, uint256 borrowIndex, uint256 accruedAt,) = unpackIndices(_totals.indices);
            _totals.indices = packIndices(supplyIndex, borrowIndex, accruedAt, totals.epoch);
        }
        emit IClearinghouseWaterfall.ClaimsRepaid(repaid, outstanding - repaid);
    }

    /// @dev An account's claim, brought up to now, or as far as `most` of the balances go that it held while the index was cut.
    /// @param epoch Now.
    /// @return claim As to be stored once `collectable` is paid.
    /// @return collectable Repaid since it was last collected, wad, rounded down.
    function _claimOf(
        AccountId account,
        uint256 epoch,
        uint256 most
    ) internal view returns (AccountClaim memory claim, uint256 collectable) {
        claim = _accountClaims[account];
        StoredClaims memory claims = _claims;
        if (claim.units != 0) {
            uint256 left = claim.epoch < claims.firstEpoch ? 0 : claims.remaining;
            collectable = mulDivDown(claim.units, claim.remaining - left, RAY);
            if (left == 0) claim.units = 0;
        }
        PastShares[] storage past = _pastShares[account];
        uint256 end = past.length;
        bool isWhole = end - claim.counted <= most;
        if (!isWhole) end = claim.counted + most;
        uint256 counted = epoch;
        for (uint256 i = claim.counted; i < end; ++i) {
            (uint256 shares, uint256 from, uint256 until) = unpackPastShares(past[i]);
            collectable += _countCuts(claim, claims, shares, from, until);
            if (!isWhole) counted = until;
        }
        if (isWhole) collectable += _countCash(claim, claims, account, epoch);
        // Rounding may leave the pool a few wei short of what the last ones ask for.
        if (collectable > claims.pool) collectable = claims.pool;
        (claim.remaining, claim.epoch, claim.counted) = (claims.remaining, uint16(counted), uint16(end));
    }

    /// @dev Adds the claim of the balance that an account holds, as it was last written.
    function _countCash(
        AccountClaim memory claim,
        StoredClaims memory claims,
        AccountId account,
        uint256 epoch
    ) private view returns (uint256) {
        (int256 cash, uint256 index, uint256 since) = unpackCash(_accounts[account].cash);
        (uint256 shares,) = _shares(cash, index);
        return _countCuts(claim, claims, shares, since, epoch);
    }

    /// @dev Adds the claim of shares held from one epoch until another.
    /// @return repaid What of it was repaid since, wad, rounded down.
    function _countCuts(
        AccountClaim memory claim,
        StoredClaims memory claims,
        uint256 shares,
        uint256 from,
        uint256 until
    ) private view returns (uint256 repaid) {
        if (from < claim.epoch) from = claim.epoch;
        if (from >= until) return 0;
        uint256 middle = claims.firstEpoch;
        if (middle < from) middle = from;
        if (middle > until) middle = until;
        ClaimSums memory first = _claimSums[from];
        ClaimSums memory second = _claimSums[middle];
        ClaimSums memory last = _claimSums[until];
        uint256 units = last.units - second.units;
        uint256 open = mulDivUp(units, claims.remaining, RAY);
        uint256 value = last.value - second.value;
        repaid = mulDivDown(shares, second.value - first.value + (value > open ? value - open : 0), RAY);
        claim.units += SafeCast.toUint128(mulDivDown(shares, units, RAY));
    }
}
