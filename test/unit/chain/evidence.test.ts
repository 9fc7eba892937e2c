import fc from 'fast-check'
import { toEventSelector } from 'viem'
import { describe, expect, it } from 'vitest'
import { eip3009Abi, eventTopics } from '../../../contracts-abi/eip3009.ts'
import { erc20Abi } from '../../../contracts-abi/erc20.ts'
import { readCancellation, readTransfers } from '../../../src/chain/evidence.ts'
import type { PayerLog } from '../../../src/chain/evidence.ts'
import { decodeLog } from '../../../src/chain/logs.ts'

const payer = `0x${'aa'.repeat(20)}` as const
const hex = (value: number, bytes: number) => `0x${value.toString(16).padStart(bytes * 2, '0')}` as `0x${string}`

type Step = { readonly plain: boolean; readonly amount: bigint; readonly payee: number }

/** One transaction's logs, with authorizations written before or after their transfers. */
function logsOf(transaction: number, steps: readonly Step[], usedFirst: boolean, gap: number): PayerLog[] {
  let logIndex = 0
  const next = () => ({ transaction: hex(transaction, 32), blockNumber: BigInt(transaction), logIndex: (logIndex += gap) })
  return steps.flatMap((step, at): PayerLog[] => {
    const transfer = () => ({ ...next(), kind: 'transfer', payee: hex(step.payee, 20), amount: step.amount }) as const
    const used = () => ({ ...next(), kind: 'used', nonce: hex(transaction * 1000 + at, 32) }) as const
    if (step.plain) return [transfer()]
    return usedFirst ? [used(), transfer()] : [transfer(), used()]
  })
}

const step = fc.record({ plain: fc.boolean(), amount: fc.bigInt(1n, 3n), payee: fc.nat(2) })

describe('reading transfers from logs', () => {
  it('gives every transfer, and its own nonce to each that was authorized', () => {
    const transactions = fc.array(fc.array(step, { maxLength: 5 }), { maxLength: 4 })
    fc.assert(
      fc.property(transactions, fc.integer({ min: 1, max: 3 }), fc.infiniteStream(fc.nat()), (sizes, gap, order) => {
        const logs = sizes.flatMap((steps, at) => logsOf(at + 1, steps, true, gap))
        const shuffled = logs
          .map((log) => [order.next().value, log] as const)
          .sort(([a], [b]) => a - b)
          .map(([, log]) => log)
        const expected = sizes.flatMap((steps, transaction) =>
          steps.map(({ plain, amount, payee }, at) => [amount, hex(payee, 20), plain ? undefined : hex((transaction + 1) * 1000 + at, 32)]),
        )
        expect(readTransfers(payer, shuffled).map((transfer) => [transfer.amount, transfer.payee, transfer.nonce])).toEqual(expected)
      }),
    )
  })

  it('reads a token that writes the authorization last', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (steps) => {
        const authorized = steps.map((one) => ({ ...one, plain: false }))
        const read = readTransfers(payer, logsOf(1, authorized, false, 1))
        expect(read.map((transfer) => transfer.nonce)).toEqual(authorized.map((_, at) => hex(1000 + at, 32)))
      }),
    )
  })

  it('is not moved by transfers of nothing, which anybody may write in our name', () => {
    const real = logsOf(1, [{ plain: false, amount: 5n, payee: 1 }], true, 2)
    const bait = (logIndex: number): PayerLog => ({
      transaction: hex(1, 32),
      blockNumber: 1n,
      logIndex,
      kind: 'transfer',
      payee: hex(9, 20),
      amount: 0n,
    })
    expect(readTransfers(payer, [bait(1), ...real, bait(5)])).toEqual(readTransfers(payer, real))
  })

  it('gives no nonce to a transfer when an authorization has none beside it', () => {
    const orphan: PayerLog = { transaction: hex(1, 32), blockNumber: 1n, logIndex: 1, kind: 'used', nonce: hex(7, 32) }
    expect(readTransfers(payer, [orphan])).toEqual([])
    const far = logsOf(2, [{ plain: true, amount: 5n, payee: 1 }], true, 1)
    expect(readTransfers(payer, [orphan, ...far]).map((transfer) => transfer.nonce)).toEqual([undefined])
  })

  it('finds a cancellation by its nonce in any spelling', () => {
    const log: PayerLog = { transaction: hex(1, 32), blockNumber: 1n, logIndex: 1, kind: 'canceled', nonce: `0x${'AB'.repeat(32)}` }
    expect(readCancellation(payer, `0x${'ab'.repeat(32)}`, [log])).toMatchObject({ payer, logIndex: 1 })
    expect(readCancellation(payer, hex(1, 32), [log])).toBeUndefined()
  })
})

describe('raw logs', () => {
  const filter = { asset: hex(1, 20), payer }
  const raw = {
    address: filter.asset,
    transactionHash: hex(5, 32),
    blockNumber: '0x10',
    logIndex: '0x0',
    data: hex(42, 32),
    removed: false,
    topics: [eventTopics.Transfer, `0x${'0'.repeat(24)}${payer.slice(2)}`, hex(3, 32)],
  }

  it('have the topics of the ABIs', () => {
    const events = [...erc20Abi, ...eip3009Abi].filter((entry) => entry.type === 'event')
    expect(Object.fromEntries(events.map((event) => [event.name, toEventSelector(event)]))).toEqual(eventTopics)
  })

  it('decode when they are the token and the payer', () => {
    expect(decodeLog(raw, filter)).toEqual({
      transaction: hex(5, 32),
      blockNumber: 16n,
      logIndex: 0,
      kind: 'transfer',
      payee: hex(3, 20),
      amount: 42n,
    })
    expect(decodeLog({ ...raw, topics: [eventTopics.AuthorizationUsed, raw.topics[1], hex(3, 32)] }, filter)).toMatchObject({
      kind: 'used',
    })
  })

  it.each([
    ['another token', { address: hex(2, 20) }],
    ['another payer', { topics: [raw.topics[0], hex(4, 32), raw.topics[2]] }],
    ['another event', { topics: [hex(4, 32), raw.topics[1], raw.topics[2]] }],
    ['one topic too few, as an ERC-721 shape would not have', { topics: [raw.topics[0], raw.topics[1]] }],
    ['a reorganisation', { removed: true }],
    ['a pending block', { blockNumber: null }],
    ['no amount', { data: '0x' }],
    ['two words of data', { data: `0x${'00'.repeat(64)}` }],
  ])('are passed over when they are of %s', (_, change) => {
    expect(decodeLog({ ...raw, ...change }, filter)).toBeUndefined()
  })

  it('never throw, whatever a node sends', () => {
    fc.assert(fc.property(fc.anything(), (value) => void decodeLog(value, filter)))
    fc.assert(
      fc.property(
        fc.record({ ...Object.fromEntries(Object.keys(raw).map((key) => [key, fc.anything()])) }),
        (value) => void decodeLog(value, filter),
      ),
    )
  })
})
