/** Google's paths through the HTTP surface: what is answered, in which form, and what is refused in which words. */
import { serve as listen, type ServerType } from '@hono/node-server'
import { GoogleGenAI } from '@google/genai'
import { Hono } from 'hono'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { foldParts } from '../../src/completion/fold.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import type { GatewayCall } from '../../src/gateway/call.ts'
import { keyInQuery, mountGoogleRoutes } from '../../src/http/google-routes.ts'
import type { AppEnv } from '../../src/http/read-routes.ts'
import type { HttpServer } from '../../src/http/serve.ts'
import { generateContent } from '../../src/protocol/generate-content/index.ts'
import { completionOf, LISTING, rawRequest, scripted, sendRaw, serve, TOKEN } from '../http/support.ts'
import { oneByOne } from '../support/parts.ts'

const answer: readonly CompletionPart[] = [
  { type: 'start', id: 'r', model: 'm' },
  { type: 'text-start', block: 0, candidate: 0 },
  { type: 'text-delta', block: 0, text: 'moss' },
  { type: 'text-end', block: 0 },
  { type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: undefined },
]
const hi = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }

let server: HttpServer
let routes: ServerType
let routesUrl: string
const calls: GatewayCall[] = []

beforeAll(async () => {
  const complete = async (call: GatewayCall) => {
    calls.push(call)
    return completionOf({ lane: 'translate', parts: oneByOne(answer) })
  }
  server = await serve(scripted(complete), { protocols: [generateContent], foldParts })
  const app = new Hono<AppEnv>()
  const listings = Array.from({ length: 3 }, (_, index) => ({ ...LISTING, id: `acme/${index}` }))
  const catalog = { models: () => listings, model: (id: string) => listings.find((listing) => listing.id === id) }
  mountGoogleRoutes(app, scripted(complete, { catalog }), {
    maxBodyBytes: 10_000,
    refuseMethod: () => (context) => context.body(null, 405),
  })
  app.onError((error, context) => context.json(generateContent.caller.encodeError(error as never, 'req_1').body as object, 400))
  await new Promise<void>((resolve) => {
    routes = listen({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve())
  })
  routesUrl = `http://127.0.0.1:${(routes.address() as AddressInfo).port}`
})

afterAll(async () => {
  await server.close()
  await new Promise((resolve) => routes.close(resolve))
})

const send = (path: string, body: unknown = hi, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-goog-api-key': TOKEN, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

describe('paths', () => {
  it.each([
    ['/v1beta/models/gemini-x:generateContent', 'gemini-x'],
    ['/v1alpha/models/gemini-x:generateContent', 'gemini-x'],
    ['/v1/models/openai/gpt-4o:generateContent', 'openai/gpt-4o'],
    ['/v1beta/models/openai/gpt-4o:generateContent', 'openai/gpt-4o'],
    ['/v1beta/models/openai/gpt-4o:cost:generateContent', 'openai/gpt-4o:cost'],
    ['/v1beta/models/openai/gpt-4o%3Acost:generateContent', 'openai/gpt-4o:cost'],
    ['/v1beta/models/@fast/openai/gpt-4o:generateContent', '@fast/openai/gpt-4o'],
    ['/v1beta/models/acme:openai/gpt-4o:generateContent?$prettyPrint=false', 'acme:openai/gpt-4o'],
    ['/v1beta/openai/gpt-4o:generateContent', 'openai/gpt-4o'],
  ])('%s asks for %s', async (path, model) => {
    const response = await send(path)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ candidates: [{ content: { parts: [{ text: 'moss' }] }, finishReason: 'STOP' }] })
    expect(calls.at(-1)?.read.model).toBe(model)
  })

  it('answers a stream as events when they are asked for, and as one array when not', async () => {
    const events = await send('/v1beta/models/m:streamGenerateContent?alt=sse')
    expect(events.headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(await events.text()).toMatch(/^data: \{.*\n\n$/s)
    const array = await send('/v1beta/models/m:streamGenerateContent')
    expect(array.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await array.json()).toMatchObject([
      { candidates: [{ content: { parts: [{ text: 'moss' }] } }] },
      { candidates: [{ finishReason: 'STOP' }] },
    ])
  })

  it('never hands the key of a query on', async () => {
    await send(`/v1beta/models/m:generateContent?key=${TOKEN}`)
    const request = calls.at(-1)?.wire?.request
    expect(JSON.stringify(request?.headers)).not.toContain(TOKEN)
    if (request === undefined) throw new Error('nothing was called')
    expect(JSON.stringify(generateContent.upstream.forward(request, { model: 'm', stream: false }))).not.toContain(TOKEN)
  })
})

describe('bad requests', () => {
  it.each([
    ['an unknown method', '/v1beta/models/a:evil', {}, 404, 'NOT_FOUND'],
    ['another surface of the vendor', '/v1beta/interactions', {}, 404, 'NOT_FOUND'],
    ['another surface of the vendor in its newest version', '/v1/interactions', {}, 404, 'NOT_FOUND'],
    ['embeddings', '/v1/models/a:embedContent', {}, 404, 'NOT_FOUND'],
    ['several embeddings', '/v1/models/a:batchEmbedContents', {}, 404, 'NOT_FOUND'],
    ['no contents', '/v1beta/models/a:generateContent', {}, 400, 'INVALID_ARGUMENT'],
    ['empty contents', '/v1beta/models/a:generateContent', { contents: [] }, 400, 'INVALID_ARGUMENT'],
    ['empty parts', '/v1beta/models/a:generateContent', { contents: [{ role: 'user', parts: [] }] }, 400, 'INVALID_ARGUMENT'],
    ['events of what is no stream', '/v1beta/models/a:generateContent?alt=sse', hi, 400, 'INVALID_ARGUMENT'],
    ['no JSON', '/v1beta/models/a:generateContent', '{"contents":', 400, 'INVALID_ARGUMENT'],
    ['another top level', '/v1beta/models/a:generateContent', '[]', 400, 'INVALID_ARGUMENT'],
    ['deep nesting', '/v1beta/models/a:generateContent', `{"contents":${'['.repeat(5000)}`, 400, 'INVALID_ARGUMENT'],
    ['a member twice', '/v1beta/models/a:generateContent', '{"contents":[],"contents":[]}', 400, 'INVALID_ARGUMENT'],
    ['a cap that is none', '/v1beta/models/a:generateContent', { ...hi, max_cost_usd: '-1' }, 400, 'INVALID_ARGUMENT'],
  ])('%s', async (_name, path, body, status, name) => {
    const before = calls.length
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const headers = { host: 'localhost', 'content-type': 'application/json', 'x-goog-api-key': TOKEN }
    const response = await sendRaw(server.port, rawRequest(`POST ${path}`, headers, text))
    expect(response.status).toBe(status)
    expect(JSON.parse(response.body)).toMatchObject({ error: { code: status, status: name } })
    expect(calls).toHaveLength(before)
  })

  it.each(['..%2f..%2fadmin', 'openai%252fgpt-4o', 'a%c0%afb'])('a path that can be read in two ways: %s', async (model) => {
    const before = calls.length
    const headers = { host: 'localhost', 'content-type': 'application/json', 'x-goog-api-key': TOKEN }
    const response = await sendRaw(server.port, rawRequest(`POST /v1beta/models/${model}:generateContent`, headers, JSON.stringify(hi)))
    expect(response.status).toBe(400)
    expect(calls).toHaveLength(before)
  })

  it('are told in Google\u2019s shape also without a token, with another media type and with another method', async () => {
    const cases = [
      [{ 'x-goog-api-key': 'wrong' }, 401, 'UNAUTHENTICATED'],
      [{ 'content-type': 'text/plain' }, 415, 'INVALID_ARGUMENT'],
    ] as const
    for (const [headers, code, status] of cases) {
      const response = await send('/v1beta/models/a:generateContent', hi, headers)
      expect(await response.json()).toMatchObject({ error: { code, status } })
    }
    for (const path of ['/v1/models/a:generateContent', '/v1/models/a:embedContent', '/v1/models/a:countTokens', '/v1/interactions']) {
      const refused = await send(path, hi, { 'x-goog-api-key': 'wrong' })
      expect([path, await refused.json()]).toMatchObject([path, { error: { code: 401, status: 'UNAUTHENTICATED' } }])
    }
    const put = await fetch(`${server.url}/v1beta/models/a:generateContent`, { method: 'PUT', headers: { 'x-goog-api-key': TOKEN } })
    expect(put.status).toBe(405)
    expect(await put.json()).toMatchObject({ error: { code: 405 } })
  })

  it.each(['/v1beta/cachedContents', '/v1beta/files', '/v1beta/models/a/operations/1', '/v1/cachedContents'])(
    '%s is not there',
    async (path) => {
      const response = await fetch(`${server.url}${path}`, { headers: { 'x-goog-api-key': TOKEN } })
      expect([response.status, await response.json()]).toMatchObject([404, { error: { code: 404, status: 'NOT_FOUND' } }])
    },
  )

  it('leave the other wires\u2019 paths alone', async () => {
    const models = await fetch(`${server.url}/v1/models/acme/one`, { headers: { authorization: `Bearer ${TOKEN}` } })
    expect(models.status).toBe(200)
    expect(await models.json()).toMatchObject({ id: 'acme/one', object: 'model' })
    const missing = await fetch(`${server.url}/v1/models/none`, { headers: { authorization: `Bearer ${TOKEN}` } })
    expect(await missing.json()).toMatchObject({ error: { code: 'model_not_found' } })
  })
})

// The SDK calls under `v1beta` before its third version, and under `v1` since.
describe.each(['v1beta', 'v1'])('models and counting under %s', (apiVersion) => {
  const client = () => new GoogleGenAI({ apiKey: 'any', apiVersion, httpOptions: { baseUrl: routesUrl } })

  it('lists models page by page for the SDK', async () => {
    const names: (string | undefined)[] = []
    for await (const model of await client().models.list({ config: { pageSize: 2 } })) names.push(model.name)
    expect(names).toEqual(['models/acme/0', 'models/acme/1', 'models/acme/2'])
    expect(await client().models.get({ model: 'acme/1' })).toMatchObject({
      name: 'models/acme/1',
      displayName: 'One',
      inputTokenLimit: 128_000,
    })
    await expect(client().models.get({ model: 'acme/9' })).rejects.toThrow('MODEL_NOT_FOUND')
  })

  it('counts tokens for the SDK, and says that it is an estimate', async () => {
    const { totalTokens } = await client().models.countTokens({ model: 'acme/1', contents: 'moss grows on stone '.repeat(50) })
    expect(totalTokens).toBeGreaterThan(100)
    expect(totalTokens).toBeLessThan(1000)
    const response = await fetch(`${routesUrl}/${apiVersion}/models/acme/1:countTokens`, {
      method: 'POST',
      body: JSON.stringify({ generateContentRequest: { model: 'models/acme/1', ...hi, system_instruction: { parts: [{ text: 'x' }] } } }),
    })
    expect(response.headers.get('x-routeplane-estimated')).toBe('1')
    expect(await response.json()).toEqual({ totalTokens: expect.any(Number) })
  })

  it.each([
    ['/v1beta/models?pageSize=x', undefined],
    ['/v1beta/models?pageToken=../', undefined],
    ['/v1beta/models/m:countTokens', '{"contents":[],"generateContentRequest":{}}'],
    ['/v1beta/models/m:countTokens', '{}'],
    ['/v1beta/models/m:countTokens', `{"contents":"${'x'.repeat(20_000)}"}`],
  ])('refuses %s %s', async (path, body) => {
    const response = await fetch(`${routesUrl}${path}`, body === undefined ? {} : { method: 'POST', body })
    expect(await response.text()).toMatch(/"reason":"(?:INVALID_REQUEST|BODY_TOO_LARGE)"/)
  })

  it('reads a key from the query on Google\u2019s paths only', () => {
    expect(keyInQuery('/v1beta/models/m:generateContent?alt=sse&key=abc%2B')).toBe('abc+')
    expect(keyInQuery('/v1beta/models/m:generateContent')).toBeUndefined()
    expect(keyInQuery('/v1/models?key=abc')).toBe('abc')
    expect(keyInQuery('/v1/models/m:generateContent?key=abc')).toBe('abc')
    expect(keyInQuery('/v1/chat/completions?key=abc')).toBeUndefined()
  })
})
