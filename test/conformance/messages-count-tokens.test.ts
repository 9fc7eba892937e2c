/** Counting tokens on Messages: the vendor's own count where it is free, an estimate that says so where it is not. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import Anthropic from '@anthropic-ai/sdk'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../src/errors.ts'
import { ESTIMATED_HEADER, mountCountTokens, type AskForCount, type CountCall } from '../../src/http/count-tokens-route.ts'
import type { AppEnv } from '../../src/http/read-routes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function start(ask?: AskForCount): Promise<string> {
  const app = new Hono<AppEnv>()
  const deps = { clock: systemClock, log: silentLog, maxBodyBytes: 10_000, ...(ask === undefined ? {} : { ask }) }
  mountCountTokens(app, deps, () => new Response(null, { status: 405, headers: { allow: 'POST' } }))
  const listen = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const server = createServer((incoming, outgoing) => void listen(incoming, outgoing))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const body = { model: 'a/b', messages: [{ role: 'user' as const, content: 'How many tokens are these?' }] }
const post = (url: string, json: unknown, path = '/v1/messages/count_tokens', headers: Record<string, string> = {}) =>
  fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(json) })

describe('a count', () => {
  it('is an estimate that says so when there is nobody to ask', async () => {
    const answer = await post(await start(), body)
    expect(answer.status).toBe(200)
    expect(answer.headers.get(ESTIMATED_HEADER)).toBe('1')
    expect(answer.headers.get('request-id')).toMatch(/^req_/)
    const { input_tokens: counted } = (await answer.json()) as { input_tokens: number }
    expect(counted).toBeGreaterThan(5)
    expect(counted).toBeLessThan(30)
  })

  it('is what the SDK asks for, tools, system and all', async () => {
    const client = new Anthropic({ apiKey: 'k', baseURL: await start(), maxRetries: 0 })
    const tools = [{ name: 'add', input_schema: { type: 'object' as const } }]
    const { input_tokens: few } = await client.messages.countTokens(body)
    const { input_tokens: many } = await client.messages.countTokens({ ...body, tools, system: 'Be brief.' })
    expect(many).toBeGreaterThan(few)
    await expect(client.beta.messages.countTokens({ ...body, betas: ['x'] })).resolves.toMatchObject({ input_tokens: few })
  })

  it('is the vendor\u2019s own where he can be asked, with the caller\u2019s bytes and headers', async () => {
    const asked: CountCall[] = []
    const url = await start(async (call) => {
      asked.push(call)
      return { status: 200, body: Buffer.from('{"input_tokens":42,"context_management":{"original_input_tokens":50}}') }
    })
    const headers = { 'anthropic-beta': 'token-counting-2024-11-01', 'anthropic-version': '2023-06-01', 'x-api-key': 'secret', cookie: 'c' }
    const answer = await post(url, body, '/messages/count_tokens?beta=true', headers)
    expect(await answer.json()).toEqual({ input_tokens: 42, context_management: { original_input_tokens: 50 } })
    expect(answer.headers.get(ESTIMATED_HEADER)).toBeNull()
    const forwarded = asked[0]?.forward({ model: 'claude-x', stream: false })
    expect(forwarded?.path).toBe('/messages/count_tokens?beta=true')
    expect(JSON.parse(Buffer.from(forwarded?.body ?? []).toString())).toEqual({ ...body, model: 'claude-x' })
    expect(forwarded?.headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'anthropic-beta': 'token-counting-2024-11-01',
      'anthropic-version': '2023-06-01',
    })
    expect(asked[0]?.read).toMatchObject({ model: 'a/b', needs: { stream: false } })
  })

  it('is estimated when the vendor fails, and his refusal of the request goes on', async () => {
    for (const status of [401, 404, 500]) {
      const answer = await post(await start(async () => ({ status, body: Buffer.from('{}') })), body)
      expect([answer.status, answer.headers.get(ESTIMATED_HEADER)]).toEqual([200, '1'])
    }
    const refused = Buffer.from('{"type":"error","error":{"type":"invalid_request_error","message":"no"}}')
    const answer = await post(await start(async () => ({ status: 400, body: refused })), body)
    expect([answer.status, await answer.text()]).toEqual([400, refused.toString()])
  })
})

describe('is refused in the words of this wire:', () => {
  it.each([
    ['an empty object', '{}', 400, 'invalid_request_error'],
    ['no JSON', '{', 400, 'invalid_request_error'],
    ['no object', '[]', 400, 'invalid_request_error'],
    ['too much', JSON.stringify({ ...body, padding: 'x'.repeat(20_000) }), 413, 'request_too_large'],
  ])('%s', async (_name, text, status, type) => {
    const url = await start(async () => {
      throw new Error('nobody may be asked')
    })
    const answer = await fetch(`${url}/v1/messages/count_tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: text,
    })
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ type: 'error', error: { type }, request_id: expect.stringMatching(/^req_/) })
  })

  it('what fails on the way to the vendor, without its own text', async () => {
    const url = await start(async () => {
      throw new RouteplaneError('internal', 'an unexpected error occurred')
    })
    const answer = await post(url, body)
    expect([answer.status, await answer.json()]).toMatchObject([500, { error: { type: 'api_error' } }])
  })

  it('another method', async () => {
    expect((await fetch(`${await start()}/v1/messages/count_tokens`)).status).toBe(405)
  })
})
