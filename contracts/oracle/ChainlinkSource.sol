// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAggregatorV3, IBoundedAggregator} from "../interfaces/IAggregatorV3.sol";
import {IPriceSource, PriceReport} from "../interfaces/IPriceSource.sol";

/// @title One Chainlink feed as the price source of one underlying
/// @notice Has no storage and no authority: everything is read from the feed once, at construction. A feed whose decimals
///         or answer bounds change needs a new adapter, connected through the hub's delay.
contract ChainlinkSource is IPriceSource {
    error UnsupportedDecimals(uint8 decimals);
    error WrongUnderlying(uint8 requested, uint8 served);
    /// @dev At or beyond the feed's own bound the market may be anywhere.
    error AnswerAtBound(int256 answer, int256 least, int256 most);
    error RoundIncomplete(uint80 roundId);

    uint8 private constant WAD_DECIMALS = 18;

    IAggregatorV3 public immutable aggregator;
    uint8 public immutable underlying;
    /// @notice Answers at or below this are refused; at least 0.
    int256 public immutable leastAnswer;
    /// @notice Answers at or above this are refused.
    int256 public immutable mostAnswer;
    /// @notice Wad a unit of the answer.
    uint256 public immutable scale;

    /// @param aggregator_ The feed, or its proxy.
    /// @param underlying_ The only underlying this source answers for.
    constructor(IAggregatorV3 aggregator_, uint8 underlying_) {
        uint8 decimals = aggregator_.decimals();
        if (decimals > WAD_DECIMALS) revert UnsupportedDecimals(decimals);
        aggregator = aggregator_;
        underlying = underlying_;
        scale = 10 ** (WAD_DECIMALS - decimals);
        (leastAnswer, mostAnswer) = _answerBounds(address(aggregator_));
    }

    /// @inheritdoc IPriceSource
    function latestReport(uint8 requested) external view returns (PriceReport memory) {
        if (requested != underlying) revert WrongUnderlying(requested, underlying);
        (uint80 roundId, int256 answer,, uint256 updatedAt, uint80 answeredInRound) = aggregator.latestRoundData();
        if (answer <= leastAnswer || answer >= mostAnswer) revert AnswerAtBound(answer, leastAnswer, mostAnswer);
        if (updatedAt == 0 || answeredInRound < roundId) revert RoundIncomplete(roundId);
        return PriceReport({price: uint256(answer) * scale, confidence: 0, publishedAt: updatedAt});
    }

    /// @dev Proxies expose the aggregator behind them, aggregators their bounds; newer ones neither.
    function _answerBounds(address feed) private view returns (int256 least, int256 most) {
        try IBoundedAggregator(feed).aggregator() returns (address behind) {
            feed = behind;
        } catch {}
        most = type(int256).max;
        try IBoundedAggregator(feed).minAnswer() returns (int192 answer) {
            least = answer > 0 ? answer : int256(0);
        } catch {}
        try IBoundedAggregator(feed).maxAnswer() returns (int192 answer) {
            most = answer;
        } catch {}
    }
}
