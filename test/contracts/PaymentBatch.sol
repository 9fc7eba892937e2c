// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

interface IAuthorizedTransfer {
    function transferWithAuthorization(
        address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes calldata signature
    ) external;
}

/// Settles many authorizations in one transaction, as busy facilitators do: whoever reads a payment off the chain must
/// neither look at the transaction's `to` nor take a transaction for one payment.
contract PaymentBatch {
    struct Payment {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
        bytes signature;
    }

    function settle(IAuthorizedTransfer token, Payment[] calldata payments) external {
        for (uint256 i = 0; i < payments.length; i++) {
            Payment calldata p = payments[i];
            token.transferWithAuthorization(p.from, p.to, p.value, p.validAfter, p.validBefore, p.nonce, p.signature);
        }
    }
}
