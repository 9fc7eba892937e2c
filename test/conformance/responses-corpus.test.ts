/** Recordings of real servers, when they are at hand: read without an error, and shown again with the same meaning. */
import { describe, expect, it } from 'vitest'
import { assertOrder } from '../../src/completion/order.ts'
import { isRecord, tryParseJson } from '../../src/lib/json.ts'
import { responses } from '../../src/protocol/responses/index.ts'
import { corpusFiles, from } from '../support/fixtures.ts'
import { wireOf } from '../support/wire.ts'
import { checkGrammar } from '../unit/protocol/responses/grammar.ts'
import { summarise } from '../unit/protocol/responses/summary.ts'
import { collectEvents, collectParts, oneByOne } from '../support/parts.ts'

const { decodeRequest, encodeResult, encodeStream } = responses.caller
const { createTap, decodeResult, decodeStream } = responses.upstream
const request = decodeRequest(wireOf({ model: 'm', input: 'hi' }))
const context = { requestId: 'req_1', model: 'm', nowSeconds: 5, request }

/** Broken JSON was recorded in some: nothing is to be learnt from those. */
const streams = corpusFiles('openai-responses', 'stream').flatMap(({ name, text }) => {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const isWhole = lines.every((line) => tryParseJson(line) !== undefined)
  return isWhole ? [{ name, bytes: new TextEncoder().encode(lines.map((line) => `data: ${line}\n\n`).join('')) }] : []
})
const wholes = corpusFiles('openai-responses', 'response').map(({ name, text }) => ({ name, body: tryParseJson(text) }))

describe('recorded responses', () => {
  it('are all read and shown again', async () => {
    for (const { name, bytes } of streams) {
      const parts = await collectParts(assertOrder(decodeStream(from([bytes]))))
      expect(parts.at(-1)?.type, name).toBe('finish')
      const writes = await collectEvents(encodeStream(oneByOne(parts), context))
      expect(checkGrammar(writes)['status'], name).toBe('completed')
      const again = await collectParts(decodeStream(from([new TextEncoder().encode(writes.join(''))])))
      const { text, finish, usage, foreign } = summarise(parts)
      expect(summarise(again), name).toMatchObject({
        finish,
        ...(text === undefined ? {} : { text }),
        ...(usage === undefined ? {} : { usage }),
      })
      expect(summarise(again)['foreign'], name).toEqual(foreign)
      const tap = createTap()
      for (let at = 0; at < bytes.length; at += 700) tap.push(bytes.subarray(at, at + 700))
      expect(tap.end().error, name).toBeUndefined()
    }
  })

  it('come back as history', () => {
    for (const { name, body } of wholes) {
      const result = decodeResult(body)
      const output = isRecord(body) && Array.isArray(body['output']) ? (body['output'] as readonly unknown[]) : []
      const { turns } = decodeRequest(wireOf({ model: 'm', input: [{ role: 'user', content: 'x' }, ...output] }))
      const said = (parts: readonly { readonly type: string }[]): number => parts.filter(({ type }) => type === 'text').length
      const before = result.candidates.reduce((count, { content }) => count + said(content), 0)
      expect(
        turns.slice(1).reduce((count, { parts }) => count + said(parts), 0),
        name,
      ).toBe(before)
      expect(encodeResult(result, context), name).toMatchObject({ object: 'response', status: 'completed' })
    }
  })
})
