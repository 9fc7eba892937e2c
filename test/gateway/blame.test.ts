/** Failures of an answer under way carry what has happened to the money; everything else passes as it is. */
import { expect, it } from 'vitest'
import type { CompletionPart } from '../../src/completion/part.ts'
import { RouteplaneError, withMoney } from '../../src/errors.ts'
import { blameAnswer } from '../../src/gateway/blame.ts'
import type { NativeAnswer, PartsAnswer } from '../../src/gateway/call.ts'

const payment = { blame: (error: RouteplaneError) => withMoney(error, 'signed') }
const head = { lane: 'native', status: 200, headers: {} } as const

async function collect<T>(items: AsyncIterable<T>): Promise<{ seen: T[]; thrown: unknown }> {
  const seen: T[] = []
  try {
    for await (const item of items) seen.push(item)
    return { seen, thrown: undefined }
  } catch (thrown) {
    return { seen, thrown }
  }
}

async function* yielding<T>(items: readonly T[], failure: Error): AsyncGenerator<T> {
  yield* items
  throw failure
}

it('leaves a whole body alone', () => {
  const answer: NativeAnswer = { ...head, body: Buffer.from('{}') }
  expect(blameAnswer(answer, payment)).toBe(answer)
})

it.each([
  [new RouteplaneError('stream_incomplete', 'it broke'), 'stream_incomplete'],
  [new TypeError('a bug'), 'internal'],
])('raises what a stream of bytes throws: %s', async (failure, code) => {
  const bytes = [Buffer.from('a'), Buffer.from('b')]
  const answer = blameAnswer({ ...head, body: yielding(bytes, failure) }, payment) as NativeAnswer
  const { seen, thrown } = await collect(answer.body as AsyncIterable<Uint8Array>)
  expect([seen, thrown]).toEqual([bytes, expect.objectContaining({ code, money: 'signed' })])
})

it('raises an error part and what is thrown among parts', async () => {
  const text: CompletionPart = { type: 'text-delta', block: 0, text: 'a' }
  const part: CompletionPart = { type: 'error', error: new RouteplaneError('upstream_error', 'no') }
  const parts: PartsAnswer = { lane: 'translate', parts: yielding([[text], [text, part]], new RouteplaneError('idle_timeout', 'silence')) }
  const { seen, thrown } = await collect((blameAnswer(parts, payment) as PartsAnswer).parts)
  const raised = { type: 'error', error: expect.objectContaining({ code: 'upstream_error', money: 'signed' }) }
  expect(seen).toEqual([[text], [text, raised]])
  expect(thrown).toMatchObject({ code: 'idle_timeout', money: 'signed' })
})

it('tells the source when the reader leaves, even before the first item', async () => {
  let left = 0
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: Buffer.from('a') }),
      return: async () => {
        left += 1
        return { done: true, value: undefined }
      },
    }),
  }
  const { body } = blameAnswer({ ...head, body: source }, payment) as { body: AsyncIterable<Uint8Array> }
  await body[Symbol.asyncIterator]().return?.()
  for await (const _ of body) break
  expect(left).toBe(2)
})
