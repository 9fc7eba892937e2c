// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface Token {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// For local chains only: plays the channel reserve of Tempo (TIP-1034), which is part of the network itself and knows the
/// transaction that it runs in. Here the hash of that transaction is written into the first slot before it is sent.
contract ChannelReserve {
    bytes32 public openingHash;

    struct Descriptor {
        address payer;
        address payee;
        address operator;
        address token;
        bytes32 salt;
        address authorizedSigner;
        bytes32 expiringNonceHash;
    }
    struct State {
        uint96 settled;
        uint96 deposit;
        uint32 closeRequestedAt;
    }
    struct Channel {
        Descriptor descriptor;
        State state;
    }

    mapping(bytes32 => State) private states;
    uint256 private constant GRACE = 900;

    event ChannelOpened(
        bytes32 indexed channelId, address indexed payer, address indexed payee, address operator, address token,
        address authorizedSigner, bytes32 salt, bytes32 expiringNonceHash, uint96 deposit
    );
    event Settled(
        bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 cumulativeAmount, uint96 deltaPaid, uint96 newSettled
    );
    event TopUp(
        bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 additionalDeposit, uint96 newDeposit
    );
    event CloseRequested(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd);
    event CloseRequestCancelled(bytes32 indexed channelId, address indexed payer, address indexed payee);
    event ChannelClosed(
        bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 settledToPayee, uint96 refundedToPayer
    );

    function open(address payee, address operator, address token, uint96 deposit, bytes32 salt, address authorizedSigner)
        external
        returns (bytes32 id)
    {
        id = idOf(Descriptor(msg.sender, payee, operator, token, salt, authorizedSigner, openingHash));
        require(deposit > 0 && states[id].deposit == 0, "not new");
        states[id].deposit = deposit;
        require(Token(token).transferFrom(msg.sender, address(this), deposit), "no money");
        emit ChannelOpened(id, msg.sender, payee, operator, token, authorizedSigner, salt, openingHash, deposit);
    }

    /// A payer who adds to a channel wants it to go on: a close under way is off, even when nothing is added.
    function topUp(Descriptor calldata descriptor, uint96 additionalDeposit) external {
        bytes32 id = idOf(descriptor);
        State storage state = states[id];
        require(msg.sender == descriptor.payer && state.deposit > 0, "not yours");
        state.deposit += additionalDeposit;
        if (additionalDeposit > 0)
            require(Token(descriptor.token).transferFrom(msg.sender, address(this), additionalDeposit), "no money");
        if (state.closeRequestedAt != 0) {
            state.closeRequestedAt = 0;
            emit CloseRequestCancelled(id, descriptor.payer, descriptor.payee);
        }
        emit TopUp(id, descriptor.payer, descriptor.payee, additionalDeposit, state.deposit);
    }

    /// Pays the payee up to what a voucher allows; the channel stays open.
    function settle(Descriptor calldata descriptor, uint96 cumulative, bytes calldata signature) external {
        bytes32 id = idOf(descriptor);
        State storage state = states[id];
        require(msg.sender == descriptor.payee || msg.sender == descriptor.operator, "not yours");
        require(cumulative > state.settled && cumulative <= state.deposit, "amount");
        require(signerOf(id, cumulative, signature) == descriptor.authorizedSigner, "signature");
        uint96 delta = cumulative - state.settled;
        state.settled = cumulative;
        require(Token(descriptor.token).transfer(descriptor.payee, delta), "no money");
        emit Settled(id, descriptor.payer, descriptor.payee, cumulative, delta, cumulative);
    }

    function close(Descriptor calldata descriptor, uint96 cumulative, uint96 capture, bytes calldata signature) external {
        bytes32 id = idOf(descriptor);
        State memory state = states[id];
        require(msg.sender == descriptor.payee || msg.sender == descriptor.operator, "not yours");
        require(state.deposit > 0 && capture <= cumulative && capture <= state.deposit && capture >= state.settled, "amount");
        if (capture > state.settled) require(signerOf(id, cumulative, signature) == descriptor.authorizedSigner, "signature");
        end(id, descriptor, capture);
    }

    /// The payee has the grace period to claim what it was promised; asking again does not begin it anew.
    function requestClose(Descriptor calldata descriptor) external {
        bytes32 id = idOf(descriptor);
        State storage state = states[id];
        require(msg.sender == descriptor.payer && state.deposit > 0, "not yours");
        if (state.closeRequestedAt != 0) return;
        state.closeRequestedAt = uint32(block.timestamp);
        emit CloseRequested(id, descriptor.payer, descriptor.payee, block.timestamp + GRACE);
    }

    function withdraw(Descriptor calldata descriptor) external {
        bytes32 id = idOf(descriptor);
        uint256 since = states[id].closeRequestedAt;
        require(msg.sender == descriptor.payer && since > 0 && block.timestamp >= since + GRACE, "not yet");
        end(id, descriptor, states[id].settled);
    }

    function getChannelState(bytes32 id) external view returns (State memory) {
        return states[id];
    }

    function getChannel(Descriptor calldata descriptor) external view returns (Channel memory) {
        return Channel(descriptor, states[idOf(descriptor)]);
    }

    function end(bytes32 id, Descriptor calldata descriptor, uint96 capture) private {
        State memory state = states[id];
        uint96 refund = state.deposit - capture;
        delete states[id];
        if (capture > state.settled) Token(descriptor.token).transfer(descriptor.payee, capture - state.settled);
        if (refund > 0) Token(descriptor.token).transfer(descriptor.payer, refund);
        emit ChannelClosed(id, descriptor.payer, descriptor.payee, capture, refund);
    }

    function idOf(Descriptor memory d) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                d.payer, d.payee, d.operator, d.token, d.salt, d.authorizedSigner, d.expiringNonceHash, address(this), block.chainid
            )
        );
    }

    function signerOf(bytes32 id, uint96 cumulative, bytes calldata signature) private view returns (address) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("TIP20 Channel Reserve"), keccak256("1"), block.chainid, address(this)
            )
        );
        bytes32 voucher = keccak256(abi.encode(keccak256("Voucher(bytes32 channelId,uint96 cumulativeAmount)"), id, cumulative));
        return ecrecover(
            keccak256(abi.encodePacked("\x19\x01", domain, voucher)),
            uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64])
        );
    }
}
