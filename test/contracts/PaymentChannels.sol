// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

struct ChannelConfig {
    address payer;
    address payerAuthorizer;
    address receiver;
    address receiverAuthorizer;
    address token;
    uint40 withdrawDelay;
    bytes32 salt;
}

struct Voucher {
    ChannelConfig channel;
    uint128 maxClaimableAmount;
}

struct VoucherClaim {
    Voucher voucher;
    bytes signature;
    uint128 totalClaimed;
}

interface IDepositSource {
    function pull(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata how) external;
}

interface IReceivingToken {
    function receiveWithAuthorization(
        address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes calldata signature
    ) external;
}

/// Stands on local chains where the settlement contract of x402 `batch-settlement` stands on real ones: one-way payment
/// channels that are filled once, drawn on by cumulative vouchers off chain, and claimed for many calls at once. It answers
/// the calls that the official x402 packages make and keeps the promises its payers rely on; nothing of the real contract's code is here.
contract PaymentChannels is EIP712("x402 Batch Settlement", "1") {
    struct Channel {
        uint128 balance;
        uint128 totalClaimed;
    }

    struct Withdrawal {
        uint128 amount;
        uint40 initiatedAt;
    }

    struct Earnings {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    error WrongSigner();
    error NotAllowed();
    error BadAmount();
    error BadNonce(uint256 expected);
    error BadDelay();
    error AlreadyAsked();
    error TooEarly(uint256 until);

    event Deposited(bytes32 indexed channelId, address indexed payer, uint128 amount);
    event Claimed(bytes32 indexed channelId, uint128 totalClaimed);
    event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount);
    event Refunded(bytes32 indexed channelId, uint128 amount);
    event WithdrawInitiated(bytes32 indexed channelId, uint128 amount);
    event WithdrawFinalized(bytes32 indexed channelId, uint128 amount);

    bytes32 public constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)"
    );
    bytes32 private constant VOUCHER = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    bytes32 private constant REFUND = keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    bytes32 private constant CLAIM_ENTRY =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    bytes32 private constant CLAIM_BATCH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );

    mapping(bytes32 channelId => Channel) public channels;
    mapping(bytes32 channelId => Withdrawal) public pendingWithdrawals;
    mapping(bytes32 channelId => uint256) public refundNonce;
    mapping(address receiver => mapping(address token => Earnings)) public receivers;

    function multicall(bytes[] calldata calls) external returns (bytes[] memory results) {
        results = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (bool done, bytes memory result) = address(this).delegatecall(calls[i]);
            if (!done) assembly { revert(add(result, 32), mload(result)) }
            results[i] = result;
        }
    }

    function deposit(ChannelConfig calldata config, uint128 amount, address source, bytes calldata how) external {
        if (amount == 0) revert BadAmount();
        if (config.withdrawDelay < 15 minutes || config.withdrawDelay > 30 days) revert BadDelay();
        bytes32 id = getChannelId(config);
        uint256 before = IERC20(config.token).balanceOf(address(this));
        IDepositSource(source).pull(config.payer, config.token, amount, id, how);
        if (IERC20(config.token).balanceOf(address(this)) != before + amount) revert BadAmount();
        channels[id].balance += amount;
        emit Deposited(id, config.payer, amount);
    }

    function claim(VoucherClaim[] calldata claims) external {
        for (uint256 i = 0; i < claims.length; i++) {
            if (msg.sender != claims[i].voucher.channel.receiverAuthorizer) revert NotAllowed();
            _claim(claims[i]);
        }
    }

    function claimWithSignature(VoucherClaim[] calldata claims, bytes calldata signature) external {
        bytes32 digest = getClaimBatchDigest(claims);
        for (uint256 i = 0; i < claims.length; i++) {
            _requireSigned(claims[i].voucher.channel.receiverAuthorizer, digest, signature);
            _claim(claims[i]);
        }
    }

    /// Pays out what was claimed; anybody may ask, and the money goes nowhere but to the receiver.
    function settle(address receiver, address token) external {
        Earnings storage earned = receivers[receiver][token];
        uint128 amount = earned.totalClaimed - earned.totalSettled;
        if (amount == 0) revert BadAmount();
        earned.totalSettled = earned.totalClaimed;
        IERC20(token).transfer(receiver, amount);
        emit Settled(receiver, token, msg.sender, amount);
    }

    function refund(ChannelConfig calldata config, uint128 amount) external {
        if (msg.sender != config.receiverAuthorizer) revert NotAllowed();
        _refund(config, amount);
    }

    function refundWithSignature(ChannelConfig calldata config, uint128 amount, uint256 nonce, bytes calldata signature) external {
        bytes32 id = getChannelId(config);
        if (nonce != refundNonce[id]) revert BadNonce(refundNonce[id]);
        _requireSigned(config.receiverAuthorizer, getRefundDigest(id, nonce, amount), signature);
        _refund(config, amount);
    }

    /// From here on the receiver has `withdrawDelay` seconds to claim what it was promised.
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external {
        _requirePayer(config);
        bytes32 id = getChannelId(config);
        Channel memory channel = channels[id];
        if (amount == 0 || amount > channel.balance - channel.totalClaimed) revert BadAmount();
        if (pendingWithdrawals[id].initiatedAt != 0) revert AlreadyAsked();
        pendingWithdrawals[id] = Withdrawal(amount, uint40(block.timestamp));
        emit WithdrawInitiated(id, amount);
    }

    function finalizeWithdraw(ChannelConfig calldata config) external {
        _requirePayer(config);
        bytes32 id = getChannelId(config);
        Withdrawal memory wanted = pendingWithdrawals[id];
        if (wanted.initiatedAt == 0) revert BadAmount();
        uint256 until = uint256(wanted.initiatedAt) + config.withdrawDelay;
        if (block.timestamp < until) revert TooEarly(until);
        uint128 amount = _payBack(config, id, wanted.amount);
        emit WithdrawFinalized(id, amount);
    }

    function getChannelId(ChannelConfig calldata config) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CHANNEL_CONFIG_TYPEHASH, config)));
    }

    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VOUCHER, channelId, maxClaimableAmount)));
    }

    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REFUND, channelId, nonce, amount)));
    }

    function getClaimBatchDigest(VoucherClaim[] calldata claims) public view returns (bytes32) {
        bytes32[] memory entries = new bytes32[](claims.length);
        for (uint256 i = 0; i < claims.length; i++) {
            bytes32 id = getChannelId(claims[i].voucher.channel);
            entries[i] = keccak256(abi.encode(CLAIM_ENTRY, id, claims[i].voucher.maxClaimableAmount, claims[i].totalClaimed));
        }
        return _hashTypedDataV4(keccak256(abi.encode(CLAIM_BATCH, keccak256(abi.encodePacked(entries)))));
    }

    /// A claim of no more than was claimed before is no fault: a refund brings the last voucher along in any case.
    function _claim(VoucherClaim calldata wanted) private {
        ChannelConfig calldata config = wanted.voucher.channel;
        bytes32 id = getChannelId(config);
        _requirePromised(config, getVoucherDigest(id, wanted.voucher.maxClaimableAmount), wanted.signature);
        Channel storage channel = channels[id];
        if (wanted.totalClaimed <= channel.totalClaimed) return;
        if (wanted.totalClaimed > wanted.voucher.maxClaimableAmount || wanted.totalClaimed > channel.balance) revert BadAmount();
        receivers[config.receiver][config.token].totalClaimed += wanted.totalClaimed - channel.totalClaimed;
        channel.totalClaimed = wanted.totalClaimed;
        emit Claimed(id, wanted.totalClaimed);
    }

    function _refund(ChannelConfig calldata config, uint128 amount) private {
        bytes32 id = getChannelId(config);
        refundNonce[id] += 1;
        emit Refunded(id, _payBack(config, id, amount));
    }

    /// Gives the payer up to `wanted` of what nobody has claimed, and ends a withdrawal under way.
    function _payBack(ChannelConfig calldata config, bytes32 id, uint128 wanted) private returns (uint128 amount) {
        Channel storage channel = channels[id];
        uint128 free = channel.balance - channel.totalClaimed;
        amount = wanted > free ? free : wanted;
        channel.balance -= amount;
        delete pendingWithdrawals[id];
        IERC20(config.token).transfer(config.payer, amount);
    }

    function _requirePayer(ChannelConfig calldata config) private view {
        if (msg.sender != config.payer && msg.sender != config.payerAuthorizer) revert NotAllowed();
    }

    /// An authorizer is a key, whatever code lies at its address; without one, it is the payer's own to say.
    function _requirePromised(ChannelConfig calldata config, bytes32 digest, bytes calldata signature) private view {
        if (config.payerAuthorizer == address(0)) return _requireSigned(config.payer, digest, signature);
        if (ECDSA.recoverCalldata(digest, signature) != config.payerAuthorizer) revert WrongSigner();
    }

    function _requireSigned(address signer, bytes32 digest, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNow(signer, digest, signature)) revert WrongSigner();
    }
}

/// Fetches a deposit by the payer's EIP-3009 authorization, whose nonce names the channel: it can fill no other.
contract AuthorizedDeposits is IDepositSource {
    error OnlyChannels();

    address private immutable channels;

    constructor(address channels_) {
        channels = channels_;
    }

    function pull(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata how) external {
        if (msg.sender != channels) revert OnlyChannels();
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(how, (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        IReceivingToken(token).receiveWithAuthorization(payer, address(this), amount, validAfter, validBefore, nonce, signature);
        IERC20(token).transfer(channels, amount);
    }
}

/// Asks several contracts in one call, as facilitators do, where the well-known aggregator stands on real chains.
contract CallAggregator {
    struct Call {
        address target;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    function tryAggregate(bool requireSuccess, Call[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (bool success, bytes memory data) = calls[i].target.call(calls[i].callData);
            require(success || !requireSuccess, "a call failed");
            results[i] = Result(success, data);
        }
    }
}
