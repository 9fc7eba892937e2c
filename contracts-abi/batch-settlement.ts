/** The contracts of x402 `batch-settlement`: where they stand, what a payer calls on them, and what it signs. */

/**
 * The same on every network, for they are deployed by CREATE2: the channels, and the collector that fills them by EIP-3009.
 *
 * Source: `BATCH_SETTLEMENT_ADDRESS` and `ERC3009_DEPOSIT_COLLECTOR_ADDRESS` of `@x402/evm` 2.27.0.
 */
export const batchSettlementAddress = '0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003'
export const depositCollectorAddress = '0x4020806089470a89826cB9fB1f4059150b550004'

/** Asks several contracts in one call; facilitators need it. @see https://www.multicall3.com */
export const callAggregatorAddress = '0xcA11bde05977b3631167028862bE2a173976CA11'

/** EIP-712 domain, completed by the chain id and the contract's address. */
export const batchSettlementDomain = { name: 'x402 Batch Settlement', version: '1' } as const

/** Seconds a payer may have to wait for its own money. @see https://github.com/coinbase/x402/blob/main/specs/schemes */
export const withdrawDelayBounds = { shortest: 900, longest: 2_592_000 } as const

const channelConfig = [
  { name: 'payer', type: 'address' },
  { name: 'payerAuthorizer', type: 'address' },
  { name: 'receiver', type: 'address' },
  { name: 'receiverAuthorizer', type: 'address' },
  { name: 'token', type: 'address' },
  { name: 'withdrawDelay', type: 'uint40' },
  { name: 'salt', type: 'bytes32' },
] as const

const configInput = { name: 'config', type: 'tuple', components: channelConfig } as const

/** EIP-712 types: a channel's id is the hash of its config, a voucher is what its payer signs. */
export const batchSettlementTypes = {
  ChannelConfig: channelConfig,
  Voucher: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxClaimableAmount', type: 'uint128' },
  ],
} as const

/** What a payer reads, and the two calls by which it takes its money back without its seller. */
export const batchSettlementAbi = [
  {
    type: 'function',
    name: 'channels',
    stateMutability: 'view',
    inputs: [{ name: 'channelId', type: 'bytes32' }],
    outputs: [
      { name: 'balance', type: 'uint128' },
      { name: 'totalClaimed', type: 'uint128' },
    ],
  },
  {
    type: 'function',
    name: 'pendingWithdrawals',
    stateMutability: 'view',
    inputs: [{ name: 'channelId', type: 'bytes32' }],
    outputs: [
      { name: 'amount', type: 'uint128' },
      { name: 'initiatedAt', type: 'uint40' },
    ],
  },
  {
    type: 'function',
    name: 'initiateWithdraw',
    stateMutability: 'nonpayable',
    inputs: [configInput, { name: 'amount', type: 'uint128' }],
    outputs: [],
  },
  { type: 'function', name: 'finalizeWithdraw', stateMutability: 'nonpayable', inputs: [configInput], outputs: [] },
] as const
