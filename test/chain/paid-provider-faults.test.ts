import type { FacilitatorClient } from '@x402/core/server'
import { describe, expect, it } from 'vitest'
import type { DemoProviderOptions } from '../../src/demo/network.ts'
import type { PaidProvider } from '../../src/demo/paid-provider.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { commentReceipt, eventsOf, pay, post, question, textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000003', completion: '0.000015' }
const streamed = { ...question, stream: true }
const whole = 'acme heard: how are you today?'

const start = (options: Partial<DemoProviderOptions> = {}): Promise<PaidProvider> =>
  current().startProvider({ id: 'acme', prices, ...options })

const transfers = async (provider: PaidProvider): Promise<number> => {
  const { chain, asset, payer } = current()
  const { number: toBlock } = await chain.latestBlock()
  const all = await chain.transfersFrom({ asset: asset.address, payer: payer.address, fromBlock: 0n, toBlock })
  return all.filter((transfer) => transfer.payee === provider.payTo.toLowerCase()).length
}

/** A facilitator whose answers to `settle` may be lost or delayed; the real one does the work. */
function facilitatorThat(
  settle: (real: () => ReturnType<FacilitatorClient['settle']>) => ReturnType<FacilitatorClient['settle']>,
): FacilitatorClient {
  const real = current().facilitator.client
  return {
    verify: (payload, requirements) => real.verify(payload, requirements),
    getSupported: () => real.getSupported(),
    settle: (payload, requirements) => settle(() => real.settle(payload, requirements)),
  }
}

describe.each([
  ['a whole answer', question],
  ['a stream', streamed],
])('%s', (_, body) => {
  it('is one transfer and one run for any number of copies of its payment, each with the same answer', async () => {
    const provider = await start({ tokenDelayMs: 2 })
    const header = await pay(current(), provider, body)
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(provider, body, header)))
    expect(answers.map((answer) => [answer.status, textOf(answer.body)])).toEqual(answers.map(() => [200, whole]))
    const later = await post(provider, body, header)
    expect([later.status, textOf(later.body)]).toEqual([200, whole])
    expect([provider.counters.handlerRuns, provider.counters.paid, await transfers(provider)]).toEqual([1, 1, 1])
    const receipts = [...answers, later].map((answer) => (answer.receipt ?? commentReceipt(answer.body))?.transaction)
    expect(new Set(receipts).size).toBe(1)
  })

  it('is recovered with the same payment when the connection was dropped after settling', async () => {
    const provider = await start({ faults: { afterSettle: 'drop-connection' } })
    const header = await pay(current(), provider, body)
    await expect(post(provider, body, header)).rejects.toThrow()
    expect(await transfers(provider)).toBe(1)
    const again = await post(provider, body, header)
    expect([again.status, textOf(again.body)]).toEqual([200, whole])
    expect(again.receipt).toMatchObject({ success: true })
    expect([provider.counters.handlerRuns, await transfers(provider)]).toEqual([1, 1])
  })

  it('is served when the facilitator settles and then does not answer: the chain is asked', async () => {
    const provider = await start({
      facilitator: facilitatorThat(async (real) => {
        await real()
        throw new Error('connection reset')
      }),
    })
    const answer = await post(provider, body, await pay(current(), provider, body))
    expect([answer.status, textOf(answer.body)]).toEqual([200, whole])
    expect(answer.receipt ?? commentReceipt(answer.body)).toMatchObject({
      success: true,
      transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    })
    expect([provider.counters.handlerRuns, await transfers(provider)]).toEqual([1, 1])
  })

  it('is never a fresh challenge while its settlement is unknown, and comes when the same payment is sent again', async () => {
    let down = true
    const provider = await start({
      facilitator: facilitatorThat((real) => (down ? Promise.reject(new Error('connection reset')) : real())),
    })
    const header = await pay(current(), provider, body)
    const first = await post(provider, body, header)
    const second = await post(provider, body, header)
    for (const answer of [first, second]) expect([answer.required, answer.receipt]).toEqual([undefined, undefined])
    if (body === question) expect([first.status, first.headers['retry-after']]).toEqual([503, '1'])
    else expect(eventsOf(first.body).at(-1)?.error?.code).toBe('settlement_unknown')
    expect([second.status, second.headers['retry-after']]).toEqual([503, '1'])
    expect(await transfers(provider)).toBe(0)
    down = false
    const third = await post(provider, body, header)
    expect([third.status, textOf(third.body), third.receipt?.success]).toEqual([200, whole, true])
    expect([provider.counters.handlerRuns, await transfers(provider)]).toEqual([1, 1])
  })

  it('is refused with the reason when the payment certainly moved nothing', async () => {
    const provider = await start({
      facilitator: facilitatorThat(async () => ({
        success: false,
        errorReason: 'invalid_exact_evm_insufficient_balance',
        transaction: '',
        network: 'eip155:84532',
      })),
    })
    const header = await pay(current(), provider, body)
    const first = await post(provider, body, header)
    if (body === question) expect([first.status, first.receipt?.success]).toEqual([402, false])
    else {
      expect(eventsOf(first.body).at(-1)?.error?.code).toBe('invalid_exact_evm_insufficient_balance')
      expect(textOf(first.body)).toBe('acme heard: how are you')
    }
    expect((await post(provider, body, header)).status).toBe(402)
    expect(await transfers(provider)).toBe(0)
  })

  it('can be answered with a failure after it was paid', async () => {
    const provider = await start({ faults: { failAfterPayment: 500 } })
    const answer = await post(provider, body, await pay(current(), provider, body))
    expect([answer.status, answer.receipt?.success, await transfers(provider)]).toEqual([500, true, 1])
  })

  it('can be challenged again without an end, and is never settled then', async () => {
    const provider = await start({ faults: { challengeAgain: true } })
    const header = await pay(current(), provider, body)
    expect([(await post(provider, body, header)).status, (await post(provider, body, header)).status]).toEqual([402, 402])
    expect(await transfers(provider)).toBe(0)
  })
})

describe('a stream', () => {
  it('begins before its settlement has, and ends after it', async () => {
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    const provider = await start({ faults: { beforeSettle: () => gate } })
    const header = await pay(current(), provider, streamed)
    const response = await fetch(`${provider.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: header,
      body: JSON.stringify(streamed),
    })
    let seen = ''
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader()
    while (!seen.includes(' you')) seen += new TextDecoder().decode((await reader.read()).value)
    expect([response.status, seen.includes('today'), await transfers(provider)]).toEqual([200, false, 0])
    release()
    for (let part = await reader.read(); !part.done; part = await reader.read()) seen += new TextDecoder().decode(part.value)
    expect([textOf(seen), seen.endsWith('data: [DONE]\n\n'), await transfers(provider)]).toEqual([whole, true, 1])
  })

  it('that was cut is whole for whoever brings the same payment', async () => {
    const provider = await start({ faults: { cutStreamAfter: 3 } })
    const header = await pay(current(), provider, streamed)
    await expect(post(provider, streamed, header)).rejects.toThrow()
    const again = await post(provider, streamed, header)
    expect([again.status, textOf(again.body), (again.receipt ?? commentReceipt(again.body))?.success]).toEqual([200, whole, true])
    expect([provider.counters.handlerRuns, await transfers(provider)]).toEqual([1, 1])
  })

  it('goes on being settled and kept when its reader leaves', async () => {
    const provider = await start({ tokenDelayMs: 5 })
    const header = await pay(current(), provider, streamed)
    const abort = new AbortController()
    const response = await fetch(`${provider.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: header,
      body: JSON.stringify(streamed),
      signal: abort.signal,
    })
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader()
    await reader.read()
    abort.abort()
    await reader.closed.catch(() => {})
    const again = await post(provider, streamed, header)
    expect([again.status, textOf(again.body)]).toEqual([200, whole])
    expect([provider.counters.handlerRuns, await transfers(provider)]).toEqual([1, 1])
  })
})

describe('other faults', () => {
  it('change the offer, and refuse everything, while the provider runs', async () => {
    const faults: PaidProvider['faults'] = {
      mutateChallenge: (offers) => offers.map((offer) => ({ ...offer, payTo: `0x${'0'.repeat(40)}` })),
    }
    const provider = await start({ faults })
    expect((await post(provider, question)).required?.accepts[0]?.payTo).toBe(`0x${'0'.repeat(40)}`)
    faults.refuseWith = 429
    expect((await post(provider, question)).status).toBe(429)
  })

  it('leave a payment unverified when the facilitator is down, without a challenge and without losing it', async () => {
    const real = current().facilitator.client
    let down = true
    const facilitator: FacilitatorClient = {
      verify: (payload, requirements) => (down ? Promise.reject(new Error('connection refused')) : real.verify(payload, requirements)),
      settle: (payload, requirements) => real.settle(payload, requirements),
      getSupported: () => real.getSupported(),
    }
    const provider = await start({ facilitator })
    const header = await pay(current(), provider, question)
    const first = await post(provider, question, header)
    expect([first.status, first.required, first.headers['retry-after']]).toEqual([503, undefined, '1'])
    down = false
    expect((await post(provider, question, header)).status).toBe(200)
    expect(await transfers(provider)).toBe(1)
  })
})

describe('on a chain that mines when it is told to', () => {
  const slow = useDemoNetwork({ blockTimeSeconds: 3600, confirmationTimeoutMs: 50 })

  it('a settlement that is pending is served once it is mined, with the same payment', async () => {
    const network = slow()
    const provider = await network.startProvider({ id: 'acme', prices })
    const header = await pay(network, provider, question)
    for (const answer of [await post(provider, question, header), await post(provider, question, header)]) {
      expect([answer.status, answer.required, answer.receipt, answer.headers['retry-after']]).toEqual([503, undefined, undefined, '1'])
    }
    await network.anvil.rpc('evm_mine')
    const answer = await post(provider, question, header)
    expect([answer.status, textOf(answer.body), answer.receipt?.success]).toEqual([200, whole, true])
    const quoted = BigInt((await post(provider, question)).required?.accepts[0]?.amount ?? -1)
    expect([provider.counters.handlerRuns, await network.chain.balanceOf(network.asset.address, provider.payTo)]).toEqual([1, quoted])
  })
})
