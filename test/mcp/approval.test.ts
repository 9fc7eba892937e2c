/** Calls above the operator's threshold, over MCP with the official client: its user is asked, and only a yes pays. */
import { once } from 'node:events'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { open, said, source } from '../promises/world.ts'
import { eras, type Era } from './client.ts'

type UserAnswer = { readonly action: 'accept' | 'decline' | 'cancel'; readonly content?: Record<string, boolean> }

const yes: UserAnswer = { action: 'accept', content: { approve: true } }
const dear = { model: 'demo/one', prompt: 'hello', max_output_tokens: 1_000 }

async function openWorld() {
  const upstream = await source(said('hi'))
  const models = [{ id: 'demo/one', pricing: { prompt: '0.00000015', completion: '0.0000006' } }]
  const billed = { api_base: `${upstream.url}/v1`, models, payment: { modes: ['invoice'] } }
  const payment = { accounts: { billed: 'acct-4711' } }
  return { upstream, ...(await open({ config: { providers: { billed }, payment, budget: { approve_above_usd: '0.0001' } } })) }
}

/** Connects a client whose user answers as told; `undefined` for a client that cannot ask. */
async function connect(url: string, era: Era, answers?: (message: string) => UserAnswer | Promise<UserAnswer>) {
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy'
  const capabilities = answers === undefined ? {} : { elicitation: {} }
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode }, capabilities })
  const asked: string[] = []
  if (answers !== undefined) {
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params.message)
      return answers(params.message)
    })
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)))
  onTestFinished(() => client.close())
  const complete = async (input: Record<string, unknown>) => {
    const { structuredContent } = await client.callTool({ name: 'complete', arguments: input })
    return structuredContent as Record<string, unknown>
  }
  return { complete, asked, client }
}

describe.each(eras)('in the era of %s', (era) => {
  it('a yes pays once, is asked for each call, and cheap calls are never asked about', async () => {
    const { url, upstream } = await openWorld()
    const { complete, asked } = await connect(url, era, () => yes)
    expect(await complete({ ...dear, max_output_tokens: 20 })).toMatchObject({ text: 'hi' })
    expect(asked).toEqual([])
    expect(await complete(dear)).toMatchObject({ text: 'hi', payment_mode: 'invoice' })
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatch(/^Pay billed up to \$0\.0006\d* \(invoice\) for one call of demo\/one\?/)
    await complete(dear)
    expect([asked.length, upstream.requests.length]).toEqual([2, 3])
  })

  const refusals: readonly (readonly [string, UserAnswer])[] = [
    ['declined', { action: 'decline' }],
    ['cancelled', { action: 'cancel' }],
    ['left unticked', { action: 'accept', content: { approve: false } }],
    ['accepted without an answer', { action: 'accept', content: {} }],
  ]
  it.each(refusals)('%s, nothing is sent and nothing is held', async (_, answer) => {
    const { url, upstream, routeplane } = await openWorld()
    const { complete, asked } = await connect(url, era, () => answer)
    expect(await complete(dear)).toMatchObject({ code: 'approval_denied', money: 'untouched' })
    expect([asked.length, upstream.requests.length]).toEqual([1, 0])
    expect((await routeplane.status()).openAttempts).toBe(0)
    expect(await routeplane.approvals.list()).toEqual([])
  })

  it('a question that nobody answers holds nothing, also once its call has ended', async () => {
    const { url, upstream, routeplane } = await openWorld()
    const leaving = new AbortController()
    const untouched = async () => {
      const { openAttempts } = await routeplane.status()
      expect([openAttempts, await routeplane.approvals.list(), upstream.requests.length]).toEqual([0, [], 0])
    }
    const isAsked = new AbortController()
    const { client } = await connect(url, era, () => {
      isAsked.abort()
      return new Promise<UserAnswer>(() => {})
    })
    const asking = once(isAsked.signal, 'abort')
    const ended = client.callTool({ name: 'complete', arguments: dear }, { signal: leaving.signal })
    const left = era === '2026-07-28' ? ended.catch(() => {}) : expect(ended).rejects.toThrow('nobody is there')
    await asking
    await untouched()
    leaving.abort(new Error('nobody is there'))
    // In the newer revision the question lies with the client alone: its server has answered with it, and the client waits on.
    if (era !== '2026-07-28') await left
    await untouched()
  })

  it('a client that cannot ask leaves a question to the operator', async () => {
    const { url, upstream, routeplane } = await openWorld()
    const { complete } = await connect(url, era)
    const refused = await complete(dear)
    expect(refused).toMatchObject({ code: 'approval_required', money: 'untouched' })
    expect(await complete({ ...dear, dry_run: true })).toMatchObject({ plan: [{ endpoint: 'billed:demo/one', needs_approval: true }] })
    const cheap = await complete({ ...dear, max_output_tokens: 20, dry_run: true })
    expect((cheap['plan'] as object[])[0]).not.toHaveProperty('needs_approval')
    const [approval] = await routeplane.approvals.list()
    expect(refused['hint']).toContain(`routeplane approvals allow ${approval?.id}`)
    await routeplane.approvals.decide(approval?.id ?? '', 'allowed')
    expect(await complete(dear)).toMatchObject({ text: 'hi' })
    expect(upstream.requests).toHaveLength(1)
  })
})

describe('an answer that is brought back by hand', () => {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
  }
  async function call(url: string, input: object, more: object = {}) {
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'complete',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'complete', arguments: input, _meta: meta, ...more },
      }),
    })
    const text = await response.text()
    const event = text.split('\n').findLast((line) => line.startsWith('data: {'))
    type Message = { readonly result?: Record<string, unknown>; readonly error?: { readonly code: number } }
    return JSON.parse(event?.slice('data: '.length) ?? text) as Message
  }

  it('pays once, for the call it was given for, and never without the seal', async () => {
    const { url, upstream } = await openWorld()
    const first = await call(url, dear)
    const requestState = first.result?.['requestState'] as string
    expect(requestState).toMatch(/^v1\./)
    const inputResponses = { approval: yes }
    expect((await call(url, dear, { inputResponses })).result?.['inputRequests']).toBeDefined()
    expect((await call(url, dear, { inputResponses, requestState: `${requestState}x` })).error?.code).toBe(-32602)
    const other = { ...dear, prompt: 'something else' }
    expect((await call(url, other, { inputResponses, requestState })).result?.['inputRequests']).toBeDefined()
    expect(upstream.requests).toHaveLength(0)
    const paid = await call(url, dear, { inputResponses, requestState })
    expect(paid.result?.['structuredContent']).toMatchObject({ text: 'hi' })
    expect((await call(url, dear, { inputResponses, requestState })).result?.['inputRequests']).toBeDefined()
    expect(upstream.requests).toHaveLength(1)
  })
})
