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
