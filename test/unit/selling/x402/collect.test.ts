/** What a payment came to: the chain is asked before a facilitator is a second time, and where neither knows it stays unknown. */
import type { SettleResponse } from '@x402/core/types'
import { describe, expect, it } from 'vitest'
import type { Chain } from '../../../../src/chain/chain.ts'
import type { Fate } from '../../../../src/chain/confirm.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import type { SalePayment } from '../../../../src/ledger/sale.ts'
import type { Atomic } from '../../../../src/money.ts'
import { collect, collectAgain } from '../../../../src/selling/x402/collect.ts'
import type { SellingScheme } from '../../../../src/selling/x402/scheme/scheme.ts'

const PAYER = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const NETWORK = 'eip155:84532'
const payment = { network: NETWORK, payer: PAYER, validBeforeSeconds: 100n } as SalePayment
const transaction = `0x${'ab'.repeat(32)}` as const
const transfer = { transaction, blockNumber: 1n, logIndex: 0, amount: 7n as Atomic, payer: PAYER, payee: PAYER } as const
const transferred: Fate = { fate: 'transferred', transfer, final: false }
const down = () => Promise.reject(new RouteplaneError('upstream_unreachable', 'the node does not answer'))
const answering = (answer: Partial<SettleResponse>) => async () => ({ transaction: '', network: NETWORK, ...answer }) as SettleResponse

function open(fateOf: () => Promise<Fate | undefined>, answer: () => Promise<SettleResponse>) {
  let settlements = 0
  const chain = { latestBlock: async () => ({ number: 9n, timestampSeconds: 99n }) } as unknown as Chain
  const settle = () => {
    settlements++
    return answer()
  }
  const scheme = { fateOf } as unknown as SellingScheme
  return {
    collecting: { scheme, payment, amount: 7n as Atomic, claimedAt: 0, chainOf: () => chain, settle },
    settlements: () => settlements,
  }
}

const lyingOpen = async (): Promise<Fate> => ({ fate: 'open' })

describe('a payment that is collected again', () => {
  it.each<[string, () => Promise<Fate | undefined>, object, number]>([
    ['has moved already', async () => transferred, { state: 'settled', amount: 7n }, 0],
    ['has moved elsewhere', async () => ({ fate: 'diverted' }), { state: 'unknown', reason: 'authorization_used' }, 0],
    ['cannot be looked up', down, { state: 'unknown', reason: 'upstream_unreachable' }, 0],
    ['lies open', lyingOpen, { state: 'settled', amount: 7n }, 1],
  ])('and %s', async (_, fateOf, expected, settlements) => {
    const opened = open(fateOf, answering({ success: true }))
    expect(await collectAgain(opened.collecting)).toMatchObject(expected)
    expect(opened.settlements()).toBe(settlements)
  })

  it.each<[string, () => Promise<Fate | undefined>, string]>([
    ['the chain has the last word, which a node that lags does not know', lyingOpen, 'unknown'],
    ['the chain knows nothing of such payments', async () => undefined, 'refused'],
  ])('and is refused stays open where %s', async (_, fateOf, state) => {
    const { collecting } = open(fateOf, answering({ success: false, errorReason: 'nonce_used' }))
    expect(await collectAgain(collecting)).toEqual({ state, reason: 'nonce_used' })
  })
})

it('a payment that our own ledger has as charged is not settled again', async () => {
  const opened = open(lyingOpen, answering({ success: true }))
  const collecting = { ...opened.collecting, chargedBefore: async () => 5n as Atomic }
  expect(await collectAgain(collecting)).toMatchObject({ state: 'settled', amount: 5n, receipt: { amount: '5', transaction: '' } })
  expect(opened.settlements()).toBe(0)
})

describe('a settlement', () => {
  it.each<[string, () => Promise<SettleResponse>, () => Promise<Fate | undefined>, object]>([
    ['nobody answered', down, lyingOpen, { state: 'unknown', reason: 'upstream_unreachable' }],
    ['nobody answered, and the chain shows', down, async () => transferred, { state: 'settled', amount: 7n }],
    ['is pending', answering({ success: false, errorReason: 'settlement_pending' }), lyingOpen, { state: 'unknown' }],
    [
      'is pending, and the chain shows',
      answering({ success: false, errorReason: 'settlement_pending' }),
      async () => transferred,
      { state: 'settled' },
    ],
    [
      'was refused',
      answering({ success: false, errorReason: 'insufficient_funds' }),
      lyingOpen,
      { state: 'refused', reason: 'insufficient_funds' },
    ],
    ['found its channel in use', answering({ success: false, errorReason: 'batch_channel_busy' }), lyingOpen, { state: 'unknown' }],
    ['was refused, and nobody can be asked', answering({ success: false }), down, { state: 'unknown' }],
  ])('that %s', async (_, answer, fateOf, expected) => {
    expect(await collect(open(fateOf, answer).collecting)).toMatchObject(expected)
  })
})
