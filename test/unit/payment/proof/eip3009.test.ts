/** What the chain shows, and the ending that follows: the only ways to `settled` and out of `unknown`. */
import { describe, expect, it } from 'vitest'
import type { Chain, TransferEvidence } from '../../../../src/chain/chain.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { eip3009 } from '../../../../src/payment/proof/eip3009.ts'
import { parseUsd } from '../../../../src/money.ts'
import { atomic, createMemoryLedger, NETWORK, NONCE, PAYEE, PAYER, paymentOf, TRANSACTION, VALID_BEFORE } from '../fixture.ts'

const transfer: TransferEvidence = {
  ...{ transaction: TRANSACTION, blockNumber: 7n, logIndex: 3, amount: atomic(1_000n), payer: PAYER, payee: PAYEE, nonce: NONCE },
}

type Facts = { used?: boolean; seconds?: bigint; transfer?: TransferEvidence; canceled?: boolean; safe?: bigint | 'none' }

const notHere = () => Promise.reject(new Error('nobody sends a transaction here'))

function chainOf({ used = false, seconds = VALID_BEFORE - 1n, transfer: found, canceled = false, safe = 0n }: Facts): Chain {
  const place = { transaction: TRANSACTION, blockNumber: 7n, logIndex: 3, payer: PAYER, nonce: NONCE } as const
  return {
    network: NETWORK,
    balanceOf: async () => atomic(0n),
    authorizationState: async () => (used ? 'used' : 'unused'),
    latestBlock: async () => ({ number: 9n, timestampSeconds: seconds }),
    safeBlock: async () => {
      if (safe === 'none') throw new RouteplaneError('upstream_error', 'no safe head')
      return { number: safe, timestampSeconds: seconds }
    },
    // As the product's own: a claimed transaction is looked at alone.
    findTransfer: async ({ transaction = TRANSACTION }) => (transaction === TRANSACTION ? found : undefined),
    findCancellation: async () => (canceled ? place : undefined),
    allowanceOf: async () => atomic(0n),
    quoteTransaction: notHere,
    leaveNonce: async () => undefined,
    sendTransaction: notHere,
    permitState: async () => 'unused',
    findPermitTransfer: async () => undefined,
    findMemoTransfer: async () => undefined,
    transfersIn: async () => undefined,
    findOpening: async () => undefined,
    quoteTempo: async () => ({ gas: 0n, maxFeePerGas: 0n }),
    transfersFrom: async () => [],
    channel: async () => ({ balance: atomic(0n), claimed: atomic(0n) }),
  }
}

const gather = (chain: Chain, claimed?: `0x${string}`) =>
  eip3009.gather(paymentOf(), {
    chainOf: () => chain,
    ledger: createMemoryLedger([]),
    now: 5,
    ...(claimed === undefined ? {} : { claimed }),
  })

const settled = { state: 'settled', amount: 1_000n, amountUsd: parseUsd('0.001'), transaction: TRANSACTION, blockNumber: 7n, logIndex: 3 }

describe('evidence', () => {
  it.each<[string, Facts, object]>([
    ['a transfer', { used: true, transfer }, { ...settled, finality: 'confirmed' }],
    ['a transfer below the safe head', { used: true, transfer, safe: 7n }, { ...settled, finality: 'final' }],
    ['a transfer on a chain without a safe head', { used: true, transfer, safe: 'none' }, { ...settled, finality: 'confirmed' }],
    ['a transfer, however late', { used: true, transfer, seconds: VALID_BEFORE + 900n }, { ...settled, finality: 'confirmed' }],
    ['a cancellation', { used: true, canceled: true }, { state: 'released', reason: 'cancelled on chain' }],
    ['a nonce unused at its end', { seconds: VALID_BEFORE }, { state: 'released', reason: 'expired unused on chain' }],
    ['a nonce unused a second before', { seconds: VALID_BEFORE - 1n }, { state: 'open' }],
    ['a used nonce without any log yet', { used: true }, { state: 'open' }],
    ['a used nonce without a log, though its time is over', { used: true, seconds: VALID_BEFORE + 900n }, { state: 'open' }],
  ])('of %s', async (_, facts, expected) => {
    const evidence = await gather(chainOf(facts))
    expect(evidence).toMatchObject(expected)
    if (evidence.state !== 'open') expect(evidence.now).toBe(5)
    else expect(evidence.retryAfterMs).toBeGreaterThan(0)
  })

  it.each<[string, `0x${string}`]>([
    ['is right', TRANSACTION],
    ['is wrong', `0x${'ef'.repeat(32)}`],
  ])('does not depend on a claim that %s', async (_, claimed) => {
    expect(await gather(chainOf({ used: true, transfer }), claimed)).toMatchObject(settled)
    expect(await gather(chainOf({}), claimed)).toMatchObject({ state: 'open' })
    expect(await gather(chainOf({ seconds: VALID_BEFORE }), claimed)).toMatchObject({ state: 'released' })
  })

  it.each(['authorizationState', 'latestBlock', 'findTransfer', 'findCancellation'] as const)(
    'is nothing at all when the node fails at %s',
    async (read) => {
      const broken = async () => {
        throw new RouteplaneError('upstream_unreachable', 'no answer')
      }
      const chain = { ...chainOf({ used: true, ...(read === 'findTransfer' ? { transfer } : {}) }), [read]: broken }
      expect(await gather(chain)).toMatchObject({ state: 'open' })
    },
  )

  it('does not hide a fault of our own', async () => {
    const chain = { ...chainOf({}), latestBlock: () => Promise.reject(new TypeError('a bug')) }
    await expect(gather(chain)).rejects.toThrow(TypeError)
  })
})
