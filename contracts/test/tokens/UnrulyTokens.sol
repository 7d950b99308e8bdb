// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that anyone may mint, for the misbehaving ones below
abstract contract MintableToken is ERC20 {
    uint8 private immutable _decimals;

    constructor(string memory name_, uint8 decimals_) ERC20(name_, name_) {
        _decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}

/// @title Keeps a hundredth of every transfer
contract FeeToken is MintableToken {
    constructor() MintableToken("FEE", 18) {}

    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : amount / 100;
        super._update(from, to, amount - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}

/// @title Answers false instead of reverting, and moves nothing
contract FalseToken is MintableToken {
    constructor() MintableToken("FALSE", 18) {}

    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @title Answers nothing, as the oldest tokens do
contract SilentToken is MintableToken {
    constructor() MintableToken("SILENT", 6) {}

    function transfer(address to, uint256 amount) public override returns (bool) {
        super.transfer(to, amount);
        _answerNothing();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        super.transferFrom(from, to, amount);
        _answerNothing();
    }

    function _answerNothing() private pure {
        assembly ("memory-safe") {
            return(0, 0)
        }
    }
}

/// @title Calls the sender and the receiver of every transfer back, where they have code
contract CallbackToken is MintableToken {
    address private _target;
    bytes private _call;

    constructor() MintableToken("CALLBACK", 18) {}

    /// @notice From now on every transfer makes this call, as the token, and fails as it fails.
    function setCallback(address target, bytes calldata call) external {
        (_target, _call) = (target, call);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (_target == address(0)) return;
        (bool success, bytes memory result) = _target.call(_call);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
    }
}

/// @title Refuses transfers from and to frozen holders
contract FreezingToken is MintableToken {
    error Frozen(address holder);

    mapping(address holder => bool) public isFrozen;

    constructor() MintableToken("FREEZING", 6) {}

    function setFrozen(address holder, bool frozen) external {
        isFrozen[holder] = frozen;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (isFrozen[from]) revert Frozen(from);
        if (isFrozen[to]) revert Frozen(to);
        super._update(from, to, amount);
    }
}

/// @title Lets anyone change anyone's balance, as a rebasing token does by itself
contract RebasingToken is MintableToken {
    constructor() MintableToken("REBASING", 18) {}

    function burn(address from, uint256 amount) external {
        _burn(from, amount);
    }
}

/// @title Has more decimals than value has
contract FineToken is MintableToken {
    constructor() MintableToken("FINE", 19) {}
}
