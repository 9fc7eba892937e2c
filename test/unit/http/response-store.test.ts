/** The store of responses: for one caller each, for a while, within bounds. */
import { describe, expect, it } from 'vitest'
import { createMemoryResponseStore, type StoredResponse } from '../../../src/http/response-store.ts'

function setUp(options: { readonly ttlMs?: number; readonly maxBytes?: number } = {}) {
  let now = 1_000
  const store = createMemoryResponseStore({ clock: { now: () => now }, ...options })
  const stored = (id: string, text = ''): StoredResponse => ({ id, createdMs: now, input: [text], response: { id } })
  return { store, stored, pass: (ms: number) => void (now += ms) }
}

describe('createMemoryResponseStore', () => {
  it('keeps a response for its caller alone', async () => {
    const { store, stored } = setUp()
    await store.put('ann', stored('resp_1'))
    expect(await store.get('ann', 'resp_1')).toMatchObject({ id: 'resp_1' })
    expect(await store.get('bob', 'resp_1')).toBeUndefined()
    expect(await store.delete('bob', 'resp_1')).toBe(false)
    expect(await store.delete('ann', 'resp_1')).toBe(true)
    expect(await store.get('ann', 'resp_1')).toBeUndefined()
    expect(await store.delete('ann', 'resp_1')).toBe(false)
  })

  it('tells callers and ids apart however they are put together', async () => {
    const { store, stored } = setUp()
    await store.put('a","b', stored('c'))
    expect(await store.get('a', 'b","c')).toBeUndefined()
    expect(await store.get('__proto__', 'c')).toBeUndefined()
  })

  it('forgets after its time', async () => {
    const { store, stored, pass } = setUp({ ttlMs: 500 })
    await store.put('ann', stored('resp_1'))
    pass(499)
    expect(await store.get('ann', 'resp_1')).toBeDefined()
    pass(1)
    expect(await store.get('ann', 'resp_1')).toBeUndefined()
    expect(await store.delete('ann', 'resp_1')).toBe(false)
  })

  it('lets the oldest go when it is full, and never takes one that is larger than all of it', async () => {
    const { store, stored } = setUp({ maxBytes: 300 })
    for (const id of ['1', '2', '3']) await store.put('ann', stored(id, 'x'.repeat(100)))
    const kept = await Promise.all(['1', '2', '3'].map(async (id) => (await store.get('ann', id)) !== undefined))
    expect(kept).toEqual([false, true, true])
    await store.put('ann', stored('4', 'x'.repeat(400)))
    expect(await store.get('ann', '4')).toBeUndefined()
    expect(await store.get('ann', '3')).toBeDefined()
  })

  it('counts a response that is put again once', async () => {
    const { store, stored } = setUp({ maxBytes: 300 })
    for (let round = 0; round < 10; round++) await store.put('ann', stored('1', 'x'.repeat(100)))
    await store.put('ann', stored('2', 'x'.repeat(100)))
    expect(await store.get('ann', '1')).toBeDefined()
    expect(await store.get('ann', '2')).toBeDefined()
  })
})
