/** What the chain shows of a Tempo payment, and the ending that follows: the memo alone proves, time alone releases. */
import { describe, expect, it } from 'vitest'
import type { Chain, TransferEvidence } from '../../../../src/chain/chain.ts'
import { tempoFeeManager } from '../../../../src/chain/tempo-quote.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { parseUsd } from '../../../../src/money.ts'
import { tempo } from '../../../../src/payment/proof/tempo.ts'
import { atomic, NETWORK, NONCE, PAYEE, PAYER, paymentOf, TRANSACTION, VALID_BEFORE } from '../fixture.ts'

const transfer: TransferEvidence = {
  ...{ transaction: TRANSACTION, blockNumber: 7n, logIndex: 3, amount: atomic(900n), payer: PAYER, payee: PAYEE, nonce: NONCE },
}

const { nonce: _noMemo, ...plain } = transfer
const fee: TransferEvidence = { ...plain, payee: tempoFeeManager, amount: atomic(50n) }

type Facts = { sent?: readonly TransferEvidence[]; seconds?: bigint; transfer?: TransferEvidence; safe?: bigint; down?: boolean }

function gather({ sent, seconds = VALID_BEFORE - 1n, transfer: found, safe = 0n, down = false }: Facts) {
  const asked: unknown[] = []
  const chain = {
    network: NETWORK,
    latestBlock: async () => {
      if (down) throw new RouteplaneError('upstream_unreachable', 'the node does not answer')
      return { number: 9n, timestampSeconds: seconds }
    },
    safeBlock: async () => ({ number: safe, timestampSeconds: seconds }),
    findMemoTransfer: async (query: unknown) => {
      asked.push(query)
      return found
    },
    transfersIn: async () => sent,
  } as unknown as Chain
  const sources = { ledger: undefined as never, chainOf: () => chain, now: 5 }
  return tempo.gather(paymentOf(sent === undefined ? {} : { transaction: TRANSACTION }), sources).then((evidence) => ({ evidence, asked }))
}

const settled = {
  state: 'settled',
  amount: 900n,
  amountUsd: parseUsd('0.0009'),
  transaction: TRANSACTION,
  blockNumber: 7n,
  logIndex: 3,
  now: 5,
}

describe('a Tempo payment', () => {
  it.each<[string, Facts, object]>([
    ['a transfer with its memo', { transfer }, { ...settled, finality: 'confirmed' }],
    ['a transfer, however late', { transfer, seconds: VALID_BEFORE + 900n }, { ...settled, finality: 'confirmed' }],
    ['a transfer below the safe head', { transfer, safe: 7n }, { ...settled, finality: 'final' }],
    [
      'a transfer and its fee',
      { transfer: { ...transfer, fee: atomic(50n) } },
      { ...settled, amount: 950n, amountUsd: parseUsd('0.00095'), finality: 'confirmed' },
    ],
    ['nothing, within its time', {}, { state: 'open', reason: 'not settled yet' }],
    ['nothing, at its very end', { seconds: VALID_BEFORE }, { state: 'released', reason: 'expired unused on chain', now: 5 }],
    ['a block with its fee alone', { sent: [fee] }, { ...settled, amount: 50n, amountUsd: parseUsd('0.00005'), finality: 'confirmed' }],
    ['a block with its transfer that the logs do not have', { sent: [transfer] }, { ...settled, finality: 'confirmed' }],
    [
      'a block with more than its transfer',
      { sent: [transfer, fee] },
      { ...settled, amount: 950n, amountUsd: parseUsd('0.00095'), finality: 'confirmed' },
    ],
    ['a newer block with its transfer', { sent: [{ ...transfer, blockNumber: 10n }] }, { state: 'open', reason: 'not settled yet' }],
    [
      'a newer block with its transfer, past its time',
      { sent: [{ ...transfer, blockNumber: 10n }], seconds: VALID_BEFORE },
      { state: 'open' },
    ],
    ['a block in which it cost nothing', { sent: [] }, { state: 'open', reason: 'not settled yet' }],
    ['a node that fails', { down: true, seconds: VALID_BEFORE }, { state: 'open' }],
  ])('of which the chain shows %s', async (_, facts, expected) => {
    expect((await gather(facts)).evidence).toMatchObject(expected)
  })

  it('is looked for by its memo, up to the block whose time is compared, around the time that it was good for', async () => {
    const { asked } = await gather({})
    const within = { sinceSeconds: VALID_BEFORE - 3_900n, untilSeconds: VALID_BEFORE + 1n }
    expect(asked).toEqual([{ asset: paymentOf().asset, payer: PAYER, payee: PAYEE, memo: NONCE, toBlock: 9n, within }])
  })
})
