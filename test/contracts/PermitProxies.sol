// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

struct Permitted {
    address token;
    uint256 amount;
}

struct Permit {
    Permitted permitted;
    uint256 nonce;
    uint256 deadline;
}

struct Order {
    address to;
    uint256 requestedAmount;
}

/// An owner's leave for Permit2, by EIP-2612, for the very amount that is paid.
struct Leave {
    uint256 value;
    uint256 deadline;
    bytes32 r;
    bytes32 s;
    uint8 v;
}

interface IPermitToken {
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
}

error Permit2612AmountMismatch();

/// Anybody may have shown the token this leave already: then it is refused here, and stands all the same.
function useLeave(Leave calldata leave, address token, uint256 amount, address owner, address spender) {
    if (leave.value != amount) revert Permit2612AmountMismatch();
    try IPermitToken(token).permit(owner, spender, leave.value, leave.deadline, leave.v, leave.r, leave.s) {} catch {}
}

interface ISignatureTransfer {
    function permitWitnessTransferFrom(
        Permit calldata permit, Order calldata order, address owner, bytes32 witness, string calldata witnessType, bytes calldata signature
    ) external;
}

/// Stands in for x402's exact proxy over Permit2: the payer's witness names the only payee, and the whole amount moves.
contract ExactPermits {
    struct Witness {
        address to;
        uint256 validAfter;
    }

    ISignatureTransfer public constant PERMIT2 = ISignatureTransfer(0x000000000022D473030F116dDEE9F6B43aC78BA3);
    bytes32 private constant WITNESS = keccak256("Witness(address to,uint256 validAfter)");
    string private constant TYPE =
        "Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,uint256 validAfter)";

    event Settled();
    event SettledWithPermit();

    error PaymentTooEarly();

    function settle(Permit calldata permit, address owner, Witness calldata witness, bytes calldata signature) external {
        move(permit, owner, witness, signature);
        emit Settled();
    }

    function settleWithPermit(
        Leave calldata leave, Permit calldata permit, address owner, Witness calldata witness, bytes calldata signature
    ) external {
        useLeave(leave, permit.permitted.token, permit.permitted.amount, owner, address(PERMIT2));
        move(permit, owner, witness, signature);
        emit SettledWithPermit();
    }

    function move(Permit calldata permit, address owner, Witness calldata witness, bytes calldata signature) private {
        if (block.timestamp < witness.validAfter) revert PaymentTooEarly();
        bytes32 hash = keccak256(abi.encode(WITNESS, witness.to, witness.validAfter));
        PERMIT2.permitWitnessTransferFrom(permit, Order(witness.to, permit.permitted.amount), owner, hash, TYPE, signature);
    }
}

/// Stands in for x402's `upto` proxy: the amount is the facilitator's to say, up to the ceiling, and only the named one may.
contract CeilingPermits {
    struct Witness {
        address to;
        address facilitator;
        uint256 validAfter;
    }

    ISignatureTransfer public constant PERMIT2 = ISignatureTransfer(0x000000000022D473030F116dDEE9F6B43aC78BA3);
    bytes32 private constant WITNESS = keccak256("Witness(address to,address facilitator,uint256 validAfter)");
    string private constant TYPE =
        "Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,address facilitator,uint256 validAfter)";

    event Settled();
    event SettledWithPermit();

    error InvalidAmount();
    error AmountExceedsPermitted();
    error UnauthorizedFacilitator();
    error PaymentTooEarly();

    function settle(Permit calldata permit, uint256 amount, address owner, Witness calldata witness, bytes calldata signature) external {
        move(permit, amount, owner, witness, signature);
        emit Settled();
    }

    function settleWithPermit(
        Leave calldata leave, Permit calldata permit, uint256 amount, address owner, Witness calldata witness, bytes calldata signature
    ) external {
        useLeave(leave, permit.permitted.token, permit.permitted.amount, owner, address(PERMIT2));
        move(permit, amount, owner, witness, signature);
        emit SettledWithPermit();
    }

    function move(Permit calldata permit, uint256 amount, address owner, Witness calldata witness, bytes calldata signature) private {
        if (amount == 0) revert InvalidAmount();
        if (amount > permit.permitted.amount) revert AmountExceedsPermitted();
        if (msg.sender != witness.facilitator) revert UnauthorizedFacilitator();
        if (block.timestamp < witness.validAfter) revert PaymentTooEarly();
        bytes32 hash = keccak256(abi.encode(WITNESS, witness.to, witness.facilitator, witness.validAfter));
        PERMIT2.permitWitnessTransferFrom(permit, Order(witness.to, amount), owner, hash, TYPE, signature);
    }
}
