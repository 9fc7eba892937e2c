import { describe, expect, it } from 'vitest'
import { ceilingQuote } from '../../src/demo/price-list.ts'
import type { DemoProviderOptions } from '../../src/demo/network.ts'
import type { PaidProvider } from '../../src/demo/paid-provider.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { commentReceipt, eventsOf, pay, post, question, textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000003', completion: '0.000015' }
const streamed = { ...question, stream: true, stream_options: { include_usage: true } }

const start = (options: Partial<DemoProviderOptions> = {}): Promise<PaidProvider> =>
  current().startProvider({ id: 'acme', prices, ...options })

const earned = (provider: PaidProvider): Promise<bigint> => current().chain.balanceOf(current().asset.address, provider.payTo)

const quoteOf = (body: object): bigint => ceilingQuote(prices, Math.ceil(JSON.stringify(body).length / 4), 20, 6)

describe('a paid provider', () => {
  it('publishes its models with their prices', async () => {
    const provider = await start({ models: ['demo/echo', 'demo/parrot'] })
    const document = (await (await fetch(provider.modelsUrl)).json()) as { data: Record<string, unknown>[] }
    expect(document.data.map((model) => model['id'])).toEqual(['demo/echo', 'demo/parrot'])
    expect(document.data[0]).toMatchObject({
      pricing: { prompt: '0.000003', completion: '0.000015', request: '0' },
      max_output_length: 256,
      is_ready: true,
    })
  })

  it('asks for its ceiling and nothing is moved by asking', async () => {
    const { asset, network } = current()
    const provider = await start()
    const answer = await post(provider, question)
    expect(answer.status).toBe(402)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.required).toMatchObject({
      x402Version: 2,
      accepts: [{ scheme: 'exact', network, asset: asset.address, payTo: provider.payTo, amount: quoteOf(question).toString() }],
    })
    expect(answer.required?.accepts[0]?.extra).toMatchObject({ name: 'USDC', version: '2' })
    expect([await earned(provider), provider.counters]).toEqual([0n, { requests: 1, paid: 0, handlerRuns: 0 }])
  })

  it('asks for more when more may be said', async () => {
    const provider = await start()
    const amounts = await Promise.all(
      [1, 20, 256].map(async (limit) => (await post(provider, { ...question, max_tokens: limit })).required?.accepts[0]?.amount),
    )
    const byDefault = (await post(provider, { model: question.model, messages: question.messages })).required?.accepts[0]?.amount
    const numbers = amounts.map((amount) => BigInt(amount ?? -1))
    expect(numbers).toEqual([...numbers].sort((a, b) => (a < b ? -1 : 1)))
    expect(BigInt(byDefault ?? -1)).toBeGreaterThan(numbers[1] ?? 0n)
  })

  it('answers the official client once it is paid, with a receipt that the chain confirms', async () => {
    const { chain, asset, payer } = current()
    const provider = await start()
    const answer = await post(provider, question, await pay(current(), provider, question))
    expect([answer.status, textOf(answer.body)]).toEqual([200, 'acme heard: how are you today?'])
    expect(JSON.parse(answer.body)).toMatchObject({ usage: { completion_tokens: 6 }, choices: [{ finish_reason: 'stop' }] })
    expect(answer.headers['cache-control']).toContain('private')
    expect(answer.receipt).toMatchObject({ success: true, payer: payer.address })
    expect(await earned(provider)).toBe(quoteOf(question))
    const { number: toBlock } = await chain.latestBlock()
    const listed = await chain.transfersFrom({ asset: asset.address, payer: payer.address, fromBlock: 0n, toBlock })
    expect(listed.filter((transfer) => transfer.transaction === answer.receipt?.transaction)).toMatchObject([
      { payee: provider.payTo.toLowerCase(), amount: quoteOf(question) },
    ])
    expect(provider.counters).toEqual({ requests: 2, paid: 1, handlerRuns: 1 })
  })

  it('streams to the official client, with usage, a receipt as a comment, and the end last', async () => {
    const provider = await start()
    const answer = await post(provider, streamed, await pay(current(), provider, streamed))
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(textOf(answer.body)).toBe('acme heard: how are you today?')
    const events = eventsOf(answer.body)
    expect(events.at(-1)?.usage).toMatchObject({ completion_tokens: 6 })
    expect(events.at(-2)?.choices?.[0]?.finish_reason).toBe('stop')
    expect(answer.body.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(commentReceipt(answer.body)).toMatchObject({ success: true })
    expect(await earned(provider)).toBe(quoteOf(streamed))
  })

  it('stops at max_tokens', async () => {
    const provider = await start()
    const short = { ...question, max_tokens: 2 }
    const answer = await post(provider, short, await pay(current(), provider, short))
    expect(JSON.parse(answer.body)).toMatchObject({
      choices: [{ message: { content: 'acme heard:' }, finish_reason: 'length' }],
      usage: { completion_tokens: 2 },
    })
  })

  it.each<[string, object | string, number]>([
    ['no JSON', '{', 400],
    ['a list', '[]', 400],
    ['no messages', { model: 'demo/echo', messages: [] }, 400],
    ['several answers', { ...question, n: 2 }, 400],
    ['a limit of nothing', { ...question, max_tokens: 0 }, 400],
    ['deep nesting', `{"model":"demo/echo","messages":${'['.repeat(5000)}${']'.repeat(5000)}}`, 400],
    ['a model it does not sell', { ...question, model: 'demo/other' }, 404],
  ])('says what is wrong with %s before it asks for money', async (_, body, status) => {
    const provider = await start()
    const answer = await post(provider, body)
    expect([answer.status, answer.required]).toEqual([status, undefined])
  })
})

describe('a payment that is not good', () => {
  it.each([
    ['noise', '%%%', 400],
    ['JSON of another shape', Buffer.from('{"x402Version":2}').toString('base64'), 400],
  ])('is refused when the header is %s', async (_, header, status) => {
    const provider = await start()
    expect((await post(provider, question, { 'payment-signature': header })).status).toBe(status)
    expect(provider.counters.handlerRuns).toBe(0)
  })

  it('buys nothing when any field was changed, and the good one still buys', async () => {
    const provider = await start()
    const [[name, header] = ['', '']] = Object.entries(await pay(current(), provider, question))
    type Payload = { accepted: Record<string, unknown>; payload: { signature: string; authorization: Record<string, string> } }
    const forge = (change: (payload: Payload) => void): Record<string, string> => {
      const payload = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as Payload
      change(payload)
      return { [name]: Buffer.from(JSON.stringify(payload)).toString('base64') }
    }
    const forgeries = [
      forge(({ accepted }) => (accepted['amount'] = '1')),
      forge(({ accepted }) => (accepted['payTo'] = randomHex(20))),
      forge(({ accepted }) => (accepted['network'] = 'eip155:8453')),
      forge(({ payload }) => (payload.authorization['value'] = '1')),
      forge(({ payload }) => (payload.authorization['to'] = randomHex(20))),
      forge(({ payload }) => (payload.authorization['nonce'] = randomHex(32))),
      forge(({ payload }) => (payload.authorization['validBefore'] = '1')),
      forge(({ payload }) => (payload.signature = randomHex(65))),
    ]
    for (const forged of forgeries) {
      const answer = await post(provider, question, forged)
      expect([answer.status, answer.required?.accepts.length]).toEqual([402, 1])
    }
    expect(provider.counters).toMatchObject({ handlerRuns: 0, paid: 0 })
    expect((await post(provider, question, { [name]: header })).status).toBe(200)
  })

  it('buys the request it was made for and no other', async () => {
    const provider = await start()
    const header = await pay(current(), provider, question)
    const other = { ...question, messages: [{ role: 'user', content: 'how are you monday' }] }
    expect(JSON.stringify(other).length).toBe(JSON.stringify(question).length)
    const [first, second] = [await post(provider, question, header), await post(provider, other, header)]
    expect([first.status, second.status, second.required]).toEqual([200, 422, undefined])
    expect([await earned(provider), provider.counters.handlerRuns]).toEqual([quoteOf(question), 1])
  })

  it('is refused when the payer has no money, and says so', async () => {
    const provider = await start({ prices: { prompt: '0', completion: '10' }, maxOutputTokens: 50 })
    const { required } = await post(provider, question)
    expect(required?.accepts[0]?.amount).toBe('200000000')
    await expect(pay(current(), provider, question)).rejects.toThrow()
    expect(provider.counters.handlerRuns).toBe(0)
  })
})
