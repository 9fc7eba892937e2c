/** When two paid calls are said to be the same. */
import { expect, it } from 'vitest'
import type { CompletionRequest } from '../../../src/completion/request.ts'
import type { GatewayCall } from '../../../src/gateway/call.ts'
import { createTwins } from '../../../src/gateway/twins.ts'

const words: CompletionRequest = {
  ...{ model: 'maker/m', system: [], turns: [{ role: 'user', parts: [{ type: 'text', text: 'hello' }] }], tools: [], sampling: {} },
  ...{ stop: [], candidates: 1, output: { kind: 'text' }, outputModalities: ['text'], stream: false, state: {}, account: {}, unknown: [] },
}

function createWorld() {
  const world = { now: 0 }
  const twins = createTwins({ now: () => world.now })
  const note = (id: string, request: Partial<CompletionRequest> = {}, call: Partial<GatewayCall> = {}) =>
    twins.note({ id, caller: 'local', decode: () => ({ ...words, ...request }), ...call } as GatewayCall)
  return { world, note }
}

it('knows the same words again, however the answer is to come', () => {
  const { note } = createWorld()
  expect(note('one')).toBeUndefined()
  expect(note('two', { stream: true, account: { stream_options: {} } })).toBe('one')
  expect(note('three')).toBe('two')
})

it('forgets them within seconds', () => {
  const { world, note } = createWorld()
  note('one')
  world.now = 10_001
  expect(note('two')).toBeUndefined()
})

it.each<[string, Partial<CompletionRequest>, Partial<GatewayCall>]>([
  ['another word', { stop: ['x'] }, {}],
  ['another caller', {}, { caller: 'key_1' }],
  ['a caller who pays for his calls, of whom many share a name', {}, { asksNobody: true }],
  ['the same request in another try', {}, { id: 'one' }],
])('says nothing of %s', (_, request, call) => {
  const { note } = createWorld()
  note('one')
  expect(note(call.id ?? 'two', request, call)).toBeUndefined()
})

it('knows nothing of words that cannot be read', () => {
  const { note } = createWorld()
  const decode = () => {
    throw new Error('not modelled')
  }
  expect([note('one', {}, { decode }), note('two', {}, { decode })]).toEqual([undefined, undefined])
})
