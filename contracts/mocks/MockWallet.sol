// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title A contract that owns accounts and signs (ERC-1271), well or badly
contract MockWallet is IERC1271 {
    using Address for address;

    enum Mood {
        Honest, // accepts what its key signed
        Refusing,
        Reverting,
        BurningGas,
        ReturningMegabytes,
        AnsweringOneByte
    }

    error Unwilling();

    address public immutable key;
    Mood public mood;

    constructor(address key_) {
        key = key_;
    }

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    /// @notice Does anything as this wallet.
    function execute(address target, bytes calldata data) external returns (bytes memory) {
        return target.functionCall(data);
    }

    function isValidSignature(bytes32 digest, bytes memory signature) external view returns (bytes4) {
        if (mood == Mood.Honest) return _isSigned(digest, signature) ? IERC1271.isValidSignature.selector : bytes4(0);
        if (mood == Mood.Refusing) return bytes4(0xffffffff);
        if (mood == Mood.Reverting) revert Unwilling();
        if (mood == Mood.BurningGas) while (true) {}
        bytes32 magic = IERC1271.isValidSignature.selector;
        uint256 length = mood == Mood.ReturningMegabytes ? 350_000 : 1;
        assembly {
            mstore(0x00, magic)
            return(0x00, length)
        }
    }

    function _isSigned(bytes32 digest, bytes memory signature) private view returns (bool) {
        (address recovered,,) = ECDSA.tryRecover(digest, signature);
        return recovered == key;
    }
}
