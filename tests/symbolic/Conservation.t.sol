// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {PositionWord, packPosition} from "../../contracts/clearinghouse/Words.sol";
import {mulDivDown, mulWadDown} from "../../contracts/math/FixedPoint.sol";

/// @title What one side gives the other gets: one fill and one slice, over stored positions
contract ConservationTest {
    uint256 private constant WAD = 1e18;

    /// @dev As `Trading` does, whatever the quote comes to: the maker's side is the negative of the taker's. A size of 128
    ///      bits times a price is below 2^200.
    function check_fill(uint256 takerWord, uint256 makerWord, int128 size, int200 quote) external pure {
        (PositionWord taker, PositionWord maker) = (PositionWord.wrap(takerWord), PositionWord.wrap(makerWord));
        PositionWord takerAfter = _changed(taker, size, quote);
        PositionWord makerAfter = _changed(maker, -int256(size), -int256(quote));
        _requireConserved(taker, maker, takerAfter, makerAfter);
    }

    /// @dev As `Slices` does, whatever part is taken: from the position of one account to that of another.
    function check_slice(uint256 fromWord, uint256 toWord, int200 size, int200 quote) external pure {
        (PositionWord from, PositionWord to) = (PositionWord.wrap(fromWord), PositionWord.wrap(toWord));
        PositionWord toAfter = _changed(to, size, quote);
        _requireConserved(from, to, _changed(from, -int256(size), -int256(quote)), toAfter);
    }

    /// @dev A slice of nothing takes nothing.
    function check_slice_ofNothing(int104 size, int128 quote, uint128 amount) external pure {
        assert(mulWadDown(size, 0) == 0 && mulWadDown(quote, 0) == 0 && mulDivDown(amount, 0, WAD) == 0);
    }

    /// @dev No more than there is, and never the other way.
    function test_slice__anyFraction__takesAPartOfTheSameSign(
        int128 held,
        uint128 amount,
        uint256 fraction
    ) external pure {
        fraction %= WAD + 1;
        int256 part = mulWadDown(held, int256(fraction));
        assert(held < 0 ? part <= 0 && part >= held : part >= 0 && part <= held);
        assert(mulDivDown(amount, fraction, WAD) <= amount);
    }

    function test_slice__whole__takesAll(int128 held, uint128 amount) external pure {
        assert(mulWadDown(held, int256(WAD)) == held && mulDivDown(amount, WAD, WAD) == amount);
    }

    /// @dev Bit by bit takes no more of an asset, and owes no less of a debt, than at once.
    function test_slice__inTwo__roundsToTheAccountsGood(int128 held, uint256 first, uint256 second) external pure {
        (first, second) = (first % (WAD + 1), second % (WAD + 1));
        int256 part = mulWadDown(held, int256(first));
        int256 rest = held - part;
        int256 left = rest - mulWadDown(rest, int256(second));
        int256 exact = int256(held) * int256(WAD - first) / int256(WAD) * int256(WAD - second) / int256(WAD);
        assert(left >= exact - 1);
        assert(left <= exact + 3);
    }

    function _changed(PositionWord word, int256 size, int256 quote) private pure returns (PositionWord) {
        return packPosition(word.instrumentIn(), word.sizeIn() + size, word.quoteIn() + quote);
    }

    function _requireConserved(PositionWord a, PositionWord b, PositionWord afterA, PositionWord afterB) private pure {
        assert(a.sizeIn() + b.sizeIn() == afterA.sizeIn() + afterB.sizeIn());
        assert(a.quoteIn() + b.quoteIn() == afterA.quoteIn() + afterB.quoteIn());
        assert(a.instrumentIn() == afterA.instrumentIn() && b.instrumentIn() == afterB.instrumentIn());
    }
}
