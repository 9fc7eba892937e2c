/** Chains of responses, and the routes beside answering. */
import { describe, expect, it } from 'vitest'
import { createMemoryResponseStore } from '../../../src/http/response-store.ts'
import {
  cancelResponse,
  countInput,
  deleteResponse,
  expandPrevious,
  keepResponse,
  listInput,
  responsesRoutes,
  retrieveResponse,
  wantsStored,
  watchResponse,
} from '../../../src/http/responses-routes.ts'
import { parseJson } from '../../../src/lib/json.ts'
import { wireOf } from '../../support/wire.ts'

const store = () => createMemoryResponseStore({ clock: { now: () => 5_000 } })
const message = { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text: 'two' }] }
const response = { id: 'resp_1', status: 'completed', output: [message] }
const none = new URLSearchParams()
const missing = expect.objectContaining({ code: 'response_not_found' })

describe('expandPrevious', () => {
  it('puts the conversation in the place of its id, in the bytes too', async () => {
    const kept = store()
    await keepResponse(kept, 'ann', wireOf({ model: 'm', input: 'one', instructions: 'old' }), response, 5_000)
    const wire = wireOf('{"model":"m", "previous_response_id":"resp_1","input":"three","sparkle":1.0}')
    const expanded = await expandPrevious(kept, 'ann', wire)
    const input = [{ type: 'message', role: 'user', content: 'one' }, message, { type: 'message', role: 'user', content: 'three' }]
    expect(expanded.json).toEqual({ model: 'm', input, sparkle: 1 })
    const text = new TextDecoder().decode(expanded.body)
    expect(parseJson(text)).toEqual(expanded.json)
    expect(text).toContain('"sparkle":1.0')
  })

  it('grows with each turn', async () => {
    const kept = store()
    await keepResponse(kept, 'ann', wireOf({ model: 'm', input: 'one' }), response, 5_000)
    const second = await expandPrevious(kept, 'ann', wireOf({ model: 'm', input: 'three', previous_response_id: 'resp_1' }))
    await keepResponse(kept, 'ann', second, { ...response, id: 'resp_2' }, 5_000)
    const third = await expandPrevious(kept, 'ann', wireOf({ model: 'm', input: [], previous_response_id: 'resp_2' }))
    expect(third.json['input']).toHaveLength(4)
  })

  it('gives a request that goes on from nothing as it is', async () => {
    const wire = wireOf({ model: 'm', input: 'x', previous_response_id: null })
    expect(await expandPrevious(undefined, 'ann', wire)).toBe(wire)
  })

  it('says the same of an unknown id, of another caller’s, and when nothing is kept', async () => {
    const kept = store()
    await keepResponse(kept, 'ann', wireOf({ model: 'm', input: 'one' }), response, 5_000)
    const wire = wireOf({ model: 'm', input: 'x', previous_response_id: 'resp_1' })
    const messages = await Promise.all(
      [expandPrevious(kept, 'bob', wire), expandPrevious(store(), 'ann', wire), expandPrevious(undefined, 'ann', wire)].map((asked) =>
        asked.then(
          () => 'found',
          (error: Error) => error.message,
        ),
      ),
    )
    expect(new Set(messages).size).toBe(1)
    await expect(expandPrevious(kept, 'bob', wire)).rejects.toThrow(missing)
  })
})

describe('keepResponse', () => {
  it('keeps nothing that failed or has no id, and nothing the caller does not want kept', async () => {
    const kept = store()
    const wire = wireOf({ model: 'm', input: 'x' })
    for (const bad of [{ ...response, status: 'failed' }, { ...response, id: '' }, { status: 'completed' }, null, 'x']) {
      await keepResponse(kept, 'ann', wire, bad, 5_000)
    }
    await expect(retrieveResponse(kept, 'ann', 'resp_1', none)).rejects.toThrow(missing)
    expect(wantsStored(kept, wireOf({ store: false }))).toBe(false)
    expect(wantsStored(undefined, wire)).toBe(false)
    expect(wantsStored(kept, wire)).toBe(true)
  })
})

describe('watchResponse', () => {
  const event = (type: string, fields: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

  it('finds the terminal response, whatever the pieces and whatever comes after it', () => {
    const deltas = Array.from({ length: 3_000 }, () => event('response.output_text.delta', { delta: 'abcdef' })).join('')
    const text = `${event('response.created', { response: { id: 'resp_1' } })}${deltas}${event('response.completed', { response })}data: [DONE]\n\n`
    for (const size of [13, 4_000, 1_000_000]) {
      const watch = watchResponse()
      for (let at = 0; at < text.length; at += size) watch.push(text.slice(at, at + size))
      expect(watch.end()).toEqual(response)
    }
  })

  it('finds none in a stream that failed or was cut', () => {
    for (const text of ['', event('response.failed', { response }), event('response.completed', { response }).slice(0, -20)]) {
      const watch = watchResponse()
      watch.push(Buffer.from(text))
      expect(watch.end()).toBeUndefined()
    }
  })
})

describe('the routes', () => {
  it('answer a stored response, and 404 for everybody else', async () => {
    const kept = store()
    await keepResponse(kept, 'ann', wireOf({ model: 'm', input: 'x' }), response, 5_000)
    expect(await retrieveResponse(kept, 'ann', 'resp_1', none)).toBe(response)
    await expect(retrieveResponse(kept, 'ann', 'resp_1', new URLSearchParams('stream=true'))).rejects.toThrow(/stream is not taken/)
    await expect(cancelResponse(kept, 'ann', 'resp_1')).rejects.toThrow(expect.objectContaining({ code: 'invalid_request' }))
    for (const asked of [
      retrieveResponse(kept, 'bob', 'resp_1', none),
      deleteResponse(kept, 'bob', 'resp_1'),
      listInput(kept, 'bob', 'resp_1', none),
      cancelResponse(kept, 'bob', 'resp_1'),
      deleteResponse(undefined, 'ann', 'resp_1'),
    ]) {
      await expect(asked).rejects.toThrow(missing)
    }
    expect(await deleteResponse(kept, 'ann', 'resp_1')).toEqual({ id: 'resp_1', object: 'response', deleted: true })
  })

  it('list what a response was given, page by page', async () => {
    const kept = store()
    const input = ['a', 'b', 'c'].map((content) => ({ role: 'user', content }))
    await keepResponse(kept, 'ann', wireOf({ model: 'm', input }), response, 5_000)
    const list = (query: string) => listInput(kept, 'ann', 'resp_1', new URLSearchParams(query))
    expect(await list('')).toMatchObject({
      data: [{ content: 'c' }, { content: 'b' }, { content: 'a' }],
      has_more: false,
      first_id: 'item_2',
    })
    expect(await list('order=asc&limit=2')).toMatchObject({ data: [{ content: 'a' }, { content: 'b' }], has_more: true, last_id: 'item_1' })
    expect(await list('order=asc&limit=2&after=item_1')).toMatchObject({ data: [{ content: 'c' }], has_more: false })
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'order=up', 'after=nobody']) {
      await expect(list(query)).rejects.toThrow(expect.objectContaining({ code: 'invalid_request' }))
    }
  })

  it('count tokens of a request that may lack its input', () => {
    expect(countInput(wireOf({ model: 'm' }))).toMatchObject({ object: 'response.input_tokens' })
    expect(() => countInput(wireOf({ input: 'x' }))).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { path: 'model' } }),
    )
    expect(() => countInput(wireOf({ model: 'm', input: [{ type: 'evil' }] }))).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    )
  })

  it('are told apart by method and path', () => {
    expect(new Set(responsesRoutes.map(({ method, path }) => `${method} ${path}`)).size).toBe(responsesRoutes.length)
  })
})
