// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Black76} from "../../contracts/pricing/Black76.sol";
import {NormalDistribution, NormalLanes} from "../../contracts/pricing/NormalDistribution.sol";
import {NormalTable} from "../../contracts/pricing/NormalTable.sol";

/// @title Φ by table, and options by it
contract PricingTest {
    int256 private constant INTERVALS = 1120;
    int256 private constant INTERVAL = 1 << 32;
    /// @dev Of a price, as a part of forward and strike: what the library states, twice (two prices are compared).
    uint256 private constant ERROR = 8e9;

    address private _table;

    function setUp() external {
        _table = address(new NormalTable());
    }

    /// @dev Every position beside the table, whatever the memory holds.
    function check_cumulative_outside(uint256 lanes, int256 position) external pure {
        if (position < 0) assert(NormalDistribution.cumulative(NormalLanes.wrap(lanes), position) == 0);
        if (position >= NormalDistribution.TOP) {
            assert(NormalDistribution.cumulative(NormalLanes.wrap(lanes), position) == NormalDistribution.CERTAIN);
        }
    }

    /// @dev Complete, not sampled: within an interval Φ is a parabola, its steps are linear in the position, and a linear
    ///      function that is nowhere below 0 at both ends is so between them.
    function test_cumulative__everyInterval__neverFalls() external view {
        NormalLanes lanes = NormalDistribution.load(_table);
        uint256 before = 0;
        for (int256 i; i < INTERVALS; ++i) {
            int256 start = i * INTERVAL;
            int256 end = start + INTERVAL - 1;
            uint256 first = lanes.cumulative(start);
            assert(first >= before && lanes.cumulative(start + 1) >= first);
            before = lanes.cumulative(end);
            assert(before >= lanes.cumulative(end - 1));
        }
        assert(before <= NormalDistribution.CERTAIN);
    }

    function test_cumulative__anyTwoPositions__keepTheirOrder(uint64 a, uint64 b) external view {
        NormalLanes lanes = NormalDistribution.load(_table);
        (int256 low, int256 high) = (_position(a), _position(b));
        if (low > high) (low, high) = (high, low);
        uint256 above = lanes.cumulative(high);
        assert(lanes.cumulative(low) <= above && above <= NormalDistribution.CERTAIN);
    }

    /// @dev Φ(x) + Φ(−x) = 1, within twice the table's error.
    function test_cumulative__mirrored__addsUpToOne(uint64 at) external view {
        NormalLanes lanes = NormalDistribution.load(_table);
        int256 distance = _position(at) - NormalDistribution.MIDDLE;
        uint256 sum = lanes.cumulative(NormalDistribution.MIDDLE + distance)
            + lanes.cumulative(NormalDistribution.MIDDLE - distance);
        uint256 off =
            sum > NormalDistribution.CERTAIN ? sum - NormalDistribution.CERTAIN : NormalDistribution.CERTAIN - sum;
        assert(off <= NormalDistribution.CERTAIN * 74 / 1e10);
    }

    function test_call__anyTerms__isBetweenIntrinsicAndForward(
        uint96 f,
        uint96 k,
        uint64 volatility,
        uint32 tenor
    ) external view {
        (uint256 forward, uint256 strike) = (uint256(f) + 1e12, uint256(k) + 1e12);
        uint256 price = _call(forward, strike, _deviation(volatility, tenor));
        assert(price >= (forward > strike ? forward - strike : 0));
        assert(price <= forward);
        assert(Black76.putOf(price, forward, strike) <= strike);
    }

    function test_call__moreVolatility__isWorthNoLess(
        uint96 f,
        uint96 k,
        uint64 volatility,
        uint64 more
    ) external view {
        (uint256 forward, uint256 strike) = (uint256(f) + 1e12, uint256(k) + 1e12);
        uint256 low = _deviation(volatility, 30 days);
        uint256 high = low + more % 1e18;
        assert(_call(forward, strike, high) + (forward + strike) * ERROR / 1e18 + 2 >= _call(forward, strike, low));
    }

    function test_call__higherStrike__isWorthNoMore(uint96 f, uint96 k, uint96 more, uint64 volatility) external view {
        (uint256 forward, uint256 strike) = (uint256(f) + 1e12, uint256(k) + 1e12);
        uint256 deviation = _deviation(volatility, 30 days);
        uint256 farther = strike + more;
        uint256 tolerance = (forward + farther) * ERROR / 1e18 + 2;
        assert(_call(forward, farther, deviation) <= _call(forward, strike, deviation) + tolerance);
    }

    function _call(uint256 forward, uint256 strike, uint256 deviation) private view returns (uint256 price) {
        NormalLanes lanes = NormalDistribution.load(_table);
        (price,) = Black76.callDown(lanes, forward, Black76.lnOf(forward), strike, Black76.lnOf(strike), deviation);
    }

    /// @dev Volatilities of 1 % to 400 %, tenors of an hour to two years.
    function _deviation(uint64 volatility, uint256 tenor) private pure returns (uint256) {
        uint256 yearly = 1e16 + volatility % 3.99e18;
        return Black76.deviationDown(yearly, Black76.rootOfTimeDown(1 hours + tenor % 730 days));
    }

    /// @dev The table and a tenth of it on either side.
    function _position(uint64 raw) private pure returns (int256) {
        int256 span = NormalDistribution.TOP * 12 / 10;
        return int256(uint256(raw)) % span - NormalDistribution.TOP / 10;
    }
}
