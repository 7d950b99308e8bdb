// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Whether a signer stands behind a digest, at a bounded cost
library SignatureCheck {
    /// @dev Enough for multi-signature wallets and elliptic curves without a precompile.
    uint256 internal constant CONTRACT_SIGNATURE_GAS = 300_000;

    /// @notice Whether `signature` is `signer`'s own 65-byte ECDSA signature. The malleable half of s is refused.
    function isSignedBy(address signer, bytes32 digest, bytes memory signature) internal pure returns (bool) {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }

    /// @notice Whether the contract `signer` accepts `signature` (ERC-1271).
    /// @dev Called statically with bounded gas, and only one word of what it returns is copied. A caller who leaves too
    ///      little gas makes the signature refused, which is no more than leaving the order out.
    function isAcceptedBy(address signer, bytes32 digest, bytes memory signature) internal view returns (bool) {
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        uint256 gasLimit = CONTRACT_SIGNATURE_GAS;
        bool answered;
        bytes32 answer;
        assembly ("memory-safe") {
            answered := staticcall(gasLimit, signer, add(question, 0x20), mload(question), 0x00, 0x20)
            answered := and(answered, gt(returndatasize(), 0x1f))
            answer := mload(0x00)
        }
        return answered && answer == bytes32(IERC1271.isValidSignature.selector);
    }
}
