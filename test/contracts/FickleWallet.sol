// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

/// A smart wallet for tests of sellers: whatever it is shown is signed by it, until it changes its mind, and so again.
/// As code of its own it is a contract with EIP-1271, as the delegate of an account it is that account's under EIP-7702.
contract FickleWallet {
    bool public hasChanged;

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        return hasChanged ? bytes4(0xffffffff) : bytes4(0x1626ba7e);
    }

    function change(bool mind) external {
        hasChanged = mind;
    }

    function perform(address to, bytes calldata data) external {
        (bool done,) = to.call(data);
        require(done, "the call failed");
    }
}
