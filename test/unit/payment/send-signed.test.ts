/** One authorization, sent until its outcome is known: what is sent again, what is given up, and what callers are told. */
import { encodePaymentRequiredHeader } from '@x402/core/http'
import { describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../../src/errors.ts'
import type { HttpResponse } from '../../../src/lib/http-call.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { ZERO_USD } from '../../../src/money.ts'
import type { PaidCall } from '../../../src/payment/mode.ts'
import type { Resolver, SettleOptions } from '../../../src/payment/resolver.ts'
import { sendSigned } from '../../../src/payment/send-signed.ts'
import type { Wallet } from '../../../src/wallet/wallet.ts'
import { callOf, createMemoryLedger, NETWORK, PAYEE, responseOf, rowOf, signedOf, USDC } from './fixture.ts'

type Fate = 'settled' | 'released' | 'open'

/** Sends over a scripted seller, before a chain that always says `fate`; nobody sleeps for real. */
function start(sent: (count: number) => HttpResponse, fate: Fate = 'open', changes: Partial<PaidCall> = {}) {
  const call = callOf((_, count) => sent(count), changes)
  const ledger = createMemoryLedger([rowOf('intent')])
  const [slept, asked, followed, givenBack]: [number[], SettleOptions[], string[], string[]] = [[], [], [], []]
  const resolver: Resolver = {
    settle: async (_, how) => (asked.push(how), fate),
    follow: (id) => void followed.push(id),
    giveBack: async (id) => void givenBack.push(id),
    conclude: async () => {},
    recover: async () => ({ found: 0, ended: 0, following: 0 }),
    sweep: async () => 0,
    close: async () => {},
  }
  const clock = { now: () => 1, monotonic: () => 1, sleep: async (ms: number) => void slept.push(ms) }
  const wallet = { address: PAYEE } as unknown as Wallet
  const chainOf = () => {
    throw new Error('only the resolver asks the chain')
  }
  const channels = { maxDepositUsd: ZERO_USD, perSeller: 1, maxWithdrawDelay: 900 }
  const policies = { budgets: () => ({}), channels, leaves: 'never' } as const
  const result = sendSigned(call, signedOf(), { ledger, resolver, clock, chainOf, wallet, ...policies, log: silentLog })
  result.catch(() => {})
  return { result, call, ledger, slept, asked, followed, givenBack }
}

const lost = (sent: boolean | undefined) => {
  throw new RouteplaneError('upstream_unreachable', 'it broke', { details: sent === undefined ? {} : { sent } })
}
const receipt = (value: object) => ({ 'payment-response': Buffer.from(JSON.stringify(value)).toString('base64') })
const pending = receipt({ success: false, errorReason: 'settlement_pending', transaction: '', network: NETWORK })

function challenge(amount: string): Record<string, string> {
  const offer = { scheme: 'exact', network: NETWORK, asset: USDC, amount, payTo: PAYEE, maxTimeoutSeconds: 60, extra: {} }
  const header = { x402Version: 2, resource: { url: 'https://seller.example/' }, accepts: [offer] }
  return { 'payment-required': encodePaymentRequiredHeader(header as never) }
}

describe('a signed call', () => {
  it('goes out with the request as it was and the credential beside it', async () => {
    const { result, call } = start(() => responseOf(200))
    const { response, payment } = await result
    expect([response.status, payment.receiptId, payment.mode]).toEqual([200, 'pay_1', 'x402'])
    expect(call.calls).toEqual([{ ...call.http, headers: { accept: 'application/json', 'PAYMENT-SIGNATURE': 'the very same' } }])
  })

  it.each<[string, () => HttpResponse]>([
    ['is lost', () => lost(true)],
    ['is lost nobody knows where', () => lost(undefined)],
    ['is answered 500', () => responseOf(500)],
    ['is answered 503', () => responseOf(503)],
    ['is answered 408', () => responseOf(408)],
    ['is answered 409', () => responseOf(409)],
    ['is answered 425', () => responseOf(425)],
    ['is answered 429', () => responseOf(429)],
    ['is answered 402 with a pending settlement', () => responseOf(402, pending)],
  ])('that %s is sent again, to the byte, at most four times in all', async (_, fail) => {
    const good = start((count) => (count < 4 ? fail() : responseOf(200)))
    expect((await good.result).response.status).toBe(200)
    expect([new Set(good.call.calls.map((each) => JSON.stringify(each))).size, good.call.calls.length]).toEqual([1, 4])
    expect([good.slept, good.ledger.endings]).toEqual([[250, 1_000, 2_500], []])

    const bad = start(fail)
    await expect(bad.result).rejects.toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
    expect([bad.call.calls.length, bad.followed, bad.ledger.rows.get('pay_1')?.state]).toEqual([4, ['pay_1'], 'unknown'])
  })

  it('waits as long as the seller asks, within bounds', async () => {
    const { result, slept } = start((count) =>
      count === 4 ? responseOf(200) : responseOf(503, { 'retry-after': ['1', '0', '9999'][count - 1] ?? '' }),
    )
    await result
    expect(slept).toEqual([1_000, 0, 5_000])
  })

  it.each<[string, () => HttpResponse]>([
    ['402', () => responseOf(402)],
    [
      '402 with a receipt that says no',
      () => responseOf(402, receipt({ success: false, errorReason: 'insufficient_funds', transaction: '' })),
    ],
    ['402 with the same price', () => responseOf(402, challenge('1000'))],
    ['402 with a challenge that cannot be read', () => responseOf(402, { 'payment-required': '%%%' })],
    ['400', () => responseOf(400)],
    ['403', () => responseOf(403)],
    ['404', () => responseOf(404)],
  ])('that is answered %s is sent once: there is nothing to gain by repeating it', async (_, answer) => {
    const { result, call, asked } = start(answer)
    await expect(result).rejects.toMatchObject({
      code: 'payment_outcome_unknown',
      money: 'unknown',
      details: { attemptId: 'pay_1', atRiskUsd: '0.001' },
    })
    expect([call.calls.length, asked]).toEqual([1, [{ tries: 1 }]])
  })

  it('names a price that was raised', async () => {
    const { result } = start(() => responseOf(402, challenge('1001')))
    await expect(result).rejects.toMatchObject({ code: 'price_mismatch', money: 'unknown' })
  })
})

describe('the money', () => {
  it('is free again when the first send never left, and only then', async () => {
    const first = start(() => lost(false))
    await expect(first.result).rejects.toMatchObject({ code: 'upstream_unreachable', money: 'untouched' })
    expect([first.givenBack, first.call.calls.length, first.followed]).toEqual([['pay_1'], 1, []])

    const later = start((count) => lost(count === 1))
    await expect(later.result).rejects.toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
    expect([later.givenBack, later.call.calls.length]).toEqual([[], 4])
  })

  it('is said to be gone when the chain shows it, though the answer is lost', async () => {
    const { result, followed } = start(() => lost(true), 'settled')
    await expect(result).rejects.toMatchObject({ code: 'answer_lost', money: 'settled', details: { attemptId: 'pay_1' } })
    expect(followed).toEqual([])
  })

  it('is untouched when the chain shows the authorization to be dead: the next provider may be asked', async () => {
    await expect(start(() => responseOf(402), 'released').result).rejects.toMatchObject({ code: 'payment_rejected', money: 'untouched' })
    await expect(start(() => lost(true), 'released').result).rejects.toMatchObject({ code: 'upstream_unreachable', money: 'untouched' })
  })

  it('is unknown, and never untouched, when the ledger fails after the signature has left', async () => {
    const { result, ledger, followed } = start(() => {
      ledger.failures = 1
      return responseOf(402)
    })
    await expect(result).rejects.toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
    expect(followed).toEqual(['pay_1'])
  })
})

describe('on_unknown', () => {
  it.each<['wait' | 'fail' | 'allow_double', boolean]>([
    ['wait', true],
    ['fail', false],
    ['allow_double', false],
  ])('%s asks the chain until it is known: %s', async (onUnknown, waits) => {
    const { result, asked } = start(() => responseOf(402), 'open', { onUnknown })
    await expect(result).rejects.toMatchObject({ money: 'unknown' })
    expect(asked.map(({ untilKnown }) => untilKnown === true)).toEqual([waits])
  })

  it('waits for nobody who has gone, and sends nothing more for him', async () => {
    const caller = new AbortController()
    const gone = () => {
      caller.abort()
      return responseOf(503)
    }
    const { result, call, asked, followed } = start(gone, 'open', { onUnknown: 'wait', signal: caller.signal })
    await expect(result).rejects.toMatchObject({ money: 'unknown' })
    expect([call.calls.length, asked, followed]).toEqual([1, [{ tries: 1 }], ['pay_1']])
  })
})

describe('the end of an answer', () => {
  const hash = `0x${'12'.repeat(32)}`
  const outcome = { delivered: true, usage: undefined, costUsd: undefined }
  const error = new RouteplaneError('stream_incomplete', 'it broke off')

  it.each<[Fate, string, string[], string]>([
    ['settled', 'settled', [], 'intent'],
    ['released', 'untouched', [], 'intent'],
    ['open', 'unknown', ['pay_1'], 'unknown'],
  ])('asks the chain: %s', async (fate, money, followed, state) => {
    const { result, ledger, followed: seen } = start(() => responseOf(200), fate)
    const { payment } = await result
    expect(payment.blame(error).money).toBe('signed')
    await payment.close(outcome)
    expect([payment.blame(error).money, seen, ledger.rows.get('pay_1')?.state]).toEqual([money, followed, state])
  })

  it.each<[string, Record<string, string>, string | undefined]>([
    ['a claim', receipt({ success: true, transaction: hash, network: NETWORK }), hash],
    ['a claim of failure', receipt({ success: false, transaction: hash, network: NETWORK }), hash],
    ['a claim without a transaction', receipt({ success: true, transaction: '', network: NETWORK }), undefined],
    ['a claim that is not base64', { 'payment-response': '%%%' }, undefined],
    ['no claim', {}, undefined],
  ])('takes %s for a hint where to look', async (_, headers, transaction) => {
    const { result, asked } = start(() => responseOf(200, headers), 'settled')
    await (await result).payment.close(outcome)
    expect(asked.map((how) => how.transaction)).toEqual([transaction])
  })

  it('never throws: a ledger that fails leaves the payment to be followed', async () => {
    const { result, ledger, followed } = start(() => responseOf(200), 'open')
    const { payment } = await result
    ledger.failures = 1
    await payment.close(outcome)
    expect([followed, payment.blame(error).money]).toEqual([['pay_1'], 'unknown'])
  })
})
