/** Several keys for one provider: a refused or limited one rests, the next is asked in the same attempt, and none is ever told. */
import { describe, expect, it } from 'vitest'
import { ask } from '../support/engine.ts'
import { failed, open, said, source, stillClock } from '../promises/world.ts'
import type { Answer, SeenRequest } from '../support/upstream.ts'

const [ONE, TWO, THREE] = ['key-of-account-one', 'key-of-account-two', 'key-of-account-three']
const body = { model: 'mine:m', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }

function keyOf({ headers }: SeenRequest): string {
  return (headers.authorization ?? '').replace('Bearer ', '')
}

/** A provider that answers each key as `answers` says, and all others well. */
async function withAccounts(answers: Readonly<Record<string, Answer>>, strategy?: string) {
  const clock = stillClock()
  const upstream = await source((request) => answers[keyOf(request)] ?? said('hello'))
  const accounts = [{ api_key: ONE, label: 'work' }, { api_key: TWO }, { api_key: THREE, label: 'home' }]
  const mine = { api_base: `${upstream.url}/v1`, accounts, ...(strategy === undefined ? {} : { account_strategy: strategy }) }
  const { url } = await open({ config: { providers: { mine } }, clock })
  return { clock, upstream, send: () => ask(url, body), keys: () => upstream.requests.map(keyOf) }
}

describe('accounts of one provider', () => {
  it('take over from one that is over its limit until the limit has ended', async () => {
    const { clock, send, keys } = await withAccounts({ [ONE]: failed(429, { 'retry-after': '20' }) })
    const reply = await send()
    expect([reply.status, reply.headers.get('x-routeplane-attempts')]).toEqual([200, '1'])
    expect(keys()).toEqual([ONE, TWO])
    await send()
    expect(keys().slice(2)).toEqual([TWO])
    clock.set(clock.now() + 20_000)
    await send()
    expect(keys().slice(3)).toEqual([ONE, TWO])
  })

  it('take over from one whose key is refused', async () => {
    const { send, keys } = await withAccounts({ [ONE]: failed(401), [TWO]: failed(401) })
    expect((await send()).status).toBe(200)
    expect((await send()).status).toBe(200)
    expect(keys()).toEqual([ONE, TWO, THREE, THREE])
  })

  it('are asked in turn when they are to balance, and pass by who rests', async () => {
    const { send, keys } = await withAccounts({ [TWO]: failed(429, { 'retry-after': '60' }) }, 'balance')
    for (let times = 0; times < 6; times++) await send()
    expect(keys()).toEqual([ONE, TWO, THREE, THREE, ONE, THREE, THREE])
  })

  it('end in the last one’s answer, and nobody learns a key by it', async () => {
    const refused: Answer = { status: 401, json: { error: { message: `no such key: ${THREE}`, type: 'auth', code: 'invalid_api_key' } } }
    const { send, keys } = await withAccounts({ [ONE]: failed(429), [TWO]: failed(401), [THREE]: refused })
    const { status, text } = await send()
    expect(keys()).toEqual([ONE, TWO, THREE])
    expect(status).toBeGreaterThanOrEqual(400)
    for (const key of [ONE, TWO, THREE]) expect(text).not.toContain(key)
  })

  it('leave to the next endpoint what is no account’s fault', async () => {
    const { send, keys } = await withAccounts({ [ONE]: failed(503) })
    expect((await send()).status).toBe(502)
    expect(keys()).toEqual([ONE])
  })
})
