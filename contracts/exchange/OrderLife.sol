// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";

import {IAuctions} from "../interfaces/IAuctions.sol";
import {IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {IClearinghouseAdmin} from "../interfaces/IClearinghouseAdmin.sol";
import {IExchange} from "../interfaces/IExchange.sol";
import {AccountId} from "../types/AccountId.sol";
import {DeadReason, Order} from "../types/Order.sol";
import {Candidate} from "./Candidate.sol";
import {Delegates} from "./Delegates.sol";
import {NonceStatus, NonceWord, nonceWordIndex} from "./NonceWord.sol";

/// @title Whether an order can still be filled, and how its account puts an end to it
/// @notice Nonces, cancels, epochs, the dead-man switch, groups, and the stamp of triggered orders.
abstract contract OrderLife is IExchange, Delegates, EIP712 {
    /// @dev One slot: 8 + 4 + 5 = 17 bytes.
    struct AccountState {
        uint64 minNonce;
        uint32 epoch;
        uint40 aliveUntil; // 0 without a dead-man switch
    }

    /// @dev Of a nonce that is partly filled. One slot: 16 + 16 = 32 bytes.
    struct PartialFill {
        uint128 filled; // wad
        bytes16 orderHash; // of the order that filled first, its leading bytes
    }

    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(uint256 account,address signer,uint256 instrument,int128 size,uint128 limit,uint256 flags,uint40 expiry,"
        "uint64 nonce,uint64 group,uint32 maxFee,uint128 trigger,uint32 epoch)"
    );

    IClearinghouse public immutable clearinghouse;

    mapping(AccountId account => AccountState) internal _accounts;
    mapping(AccountId account => mapping(uint64 wordIndex => NonceWord)) private _nonceWords;
    mapping(AccountId account => mapping(uint64 nonce => PartialFill)) private _partialFills;
    /// @dev Leading half of the hash of the order that was filled first; of a multi-leg group, of any of its legs.
    mapping(AccountId account => mapping(uint64 group => bytes16 orderHash)) private _groupWinners;
    /// @dev By its whole hash: another order under the same nonce is not armed with it.
    mapping(bytes32 orderHash => uint40) internal _armedAt;

    constructor(IClearinghouse clearinghouse_) EIP712("Ballast Exchange", "1") {
        clearinghouse = clearinghouse_;
    }

    modifier onlyOwnerOrDelegate(AccountId account) {
        if (!_isOwnerOrDelegate(account, msg.sender)) revert NotAuthorised(account, msg.sender);
        _;
    }

    // Cancels -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls nothing.
    function cancel(AccountId account, uint64 nonce) external onlyOwnerOrDelegate(account) {
        _setStatus(account, nonce, NonceStatus.Cancelled);
        emit OrderCancelled(account, nonce);
    }

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls nothing.
    function cancelBelow(AccountId account, uint64 minNonce) external onlyOwnerOrDelegate(account) {
        AccountState storage state = _accounts[account];
        if (minNonce <= state.minNonce) revert MinNonceNotIncreased(account, state.minNonce, minNonce);
        state.minNonce = minNonce;
        emit NoncesCancelledBelow(account, minNonce);
    }

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls only a getter of the clearinghouse.
    function advanceEpoch(AccountId account) external {
        bool authorised = _isOwnerOrDelegate(account, msg.sender)
            || msg.sender == IClearinghouseAdmin(address(clearinghouse)).auctions();
        if (!authorised) revert NotAuthorised(account, msg.sender);
        _startEpoch(account, _accounts[account]);
    }

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls nothing.
    function keepAlive(AccountId account, uint40 until) external onlyOwnerOrDelegate(account) {
        AccountState storage state = _accounts[account];
        if (_isSilent(state.aliveUntil)) _startEpoch(account, state);
        state.aliveUntil = until;
        emit KeptAlive(account, until);
    }

    /// @dev Orders of the old epoch stay dead whatever their nonces, so that the bound on nonces need not outlive it:
    ///      a delegate who cancelled below the highest would have taken every order of the account for good.
    function _startEpoch(AccountId account, AccountState storage state) private {
        state.minNonce = 0;
        emit EpochAdvanced(account, ++state.epoch);
    }

    function _isSilent(uint40 until) private view returns (bool) {
        return until != 0 && block.timestamp > until;
    }

    function _isInAuction(AccountId account) internal view override returns (bool) {
        return IAuctions(IClearinghouseAdmin(address(clearinghouse)).auctions()).isLive(account);
    }

    // Views -------------------------------------------------------------------------------------------------------

    /// @inheritdoc IExchange
    /// @dev The encoding's memory is given back: a settlement hashes every order, and pays for memory by its square.
    function hashOrder(Order memory order) public view returns (bytes32) {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        bytes32 structHash = keccak256(abi.encode(ORDER_TYPEHASH, order));
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
        return _hashTypedDataV4(structHash);
    }

    /// @inheritdoc IExchange
    function orderStatus(Order memory order) external view returns (uint256 filled, DeadReason reason) {
        (reason, filled) = _look(order, hashOrder(order), _accounts[order.account]);
        if (reason == DeadReason.Filled) return (SignedMath.abs(order.size), reason);
        if (reason == DeadReason.NonceTaken) filled = 0;
    }

    /// @inheritdoc IExchange
    function armedAt(bytes32 orderHash) external view returns (uint40) {
        return _armedAt[orderHash];
    }

    /// @inheritdoc IExchange
    function epochOf(AccountId account) external view returns (uint32) {
        return _accounts[account].epoch;
    }

    /// @inheritdoc IExchange
    function aliveUntil(AccountId account) external view returns (uint40) {
        return _accounts[account].aliveUntil;
    }

    /// @inheritdoc IExchange
    function groupWinner(AccountId account, uint64 group) external view returns (bytes16) {
        return _groupWinners[account][group];
    }

    /// @inheritdoc IExchange
    function minNonceOf(AccountId account) external view returns (uint64) {
        return _accounts[account].minNonce;
    }

    // Looks -------------------------------------------------------------------------------------------------------

    /// @dev Why an order is dead, if it is; else what of it was filled.
    function _look(
        Order memory order,
        bytes32 orderHash,
        AccountState memory accountState
    ) internal view returns (DeadReason reason, uint128 filled) {
        NonceStatus status = _statusOf(order.account, order.nonce);
        bool isTaken;
        if (status == NonceStatus.PartlyFilled || status == NonceStatus.Cancelled) {
            PartialFill memory partialFill = _partialFills[order.account][order.nonce];
            filled = partialFill.filled;
            isTaken = filled != 0 && partialFill.orderHash != bytes16(orderHash);
        }
        reason = _deadReason(order, status, isTaken, accountState);
        if (reason != DeadReason.None) return (reason, filled);
        if (order.group != 0) {
            bytes16 winner = _groupWinners[order.account][order.group];
            if (winner != 0 && winner != bytes16(orderHash)) return (DeadReason.GroupTaken, filled);
        }
        // Last of all: whoever would arm it needs to know that nothing else is in the way.
        if (order.trigger != 0 && _armedAt[orderHash] == 0) reason = DeadReason.NotArmed;
    }

    function _deadReason(
        Order memory order,
        NonceStatus status,
        bool isTaken,
        AccountState memory accountState
    ) private view returns (DeadReason) {
        if (isTaken) return DeadReason.NonceTaken;
        if (status == NonceStatus.Filled || order.size == 0) return DeadReason.Filled;
        if (status == NonceStatus.Cancelled || order.nonce < accountState.minNonce) return DeadReason.Cancelled;
        // A later epoch is dead too: otherwise orders signed ahead would outlive the cancel of all.
        if (order.epoch != accountState.epoch) return DeadReason.OtherEpoch;
        if (block.timestamp > order.expiry) return DeadReason.Expired;
        if (_isSilent(accountState.aliveUntil)) return DeadReason.OwnerSilent;
        if (!_isOwnerOrDelegate(order.account, order.signer)) return DeadReason.SignerNotAuthorised;
        return DeadReason.None;
    }

    // Record ------------------------------------------------------------------------------------------------------

    /// @dev Writes what a settlement has filled of an order.
    function _recordFilled(Candidate memory candidate) internal {
        if (candidate.proposed == 0) return;
        uint128 filled = candidate.filled + candidate.proposed;
        if (candidate.group != 0) _groupWinners[candidate.account][candidate.group] = bytes16(candidate.orderHash);
        if (candidate.remaining != 0) {
            _partialFills[candidate.account][candidate.nonce] =
                PartialFill({filled: filled, orderHash: bytes16(candidate.orderHash)});
            if (candidate.filled == 0) _setStatus(candidate.account, candidate.nonce, NonceStatus.PartlyFilled);
        } else {
            if (candidate.filled != 0) delete _partialFills[candidate.account][candidate.nonce];
            _setStatus(candidate.account, candidate.nonce, NonceStatus.Filled);
        }
        emit OrderFilled(candidate.account, candidate.nonce, candidate.orderHash, filled);
    }

    function _statusOf(AccountId account, uint64 nonce) private view returns (NonceStatus) {
        return _nonceWords[account][nonceWordIndex(nonce)].statusOf(nonce);
    }

    function _setStatus(AccountId account, uint64 nonce, NonceStatus status) private {
        uint64 wordIndex = nonceWordIndex(nonce);
        _nonceWords[account][wordIndex] = _nonceWords[account][wordIndex].withStatus(nonce, status);
    }
}
