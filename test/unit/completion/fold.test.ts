/** Folding parts and unfolding answers are inverse, and the order law tells right from wrong. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldAll, foldParts, unfoldResult } from '../../../src/completion/fold.ts'
import { assertOrder, createOrderCheck } from '../../../src/completion/order.ts'
import type { CompletionPart } from '../../../src/completion/part.ts'
import type { CompletionResult } from '../../../src/completion/result.ts'
import { readToolArguments } from '../../../src/completion/tool-arguments.ts'
import { RouteplaneError } from '../../../src/errors.ts'
import { neutralResult } from '../../support/arbitraries.ts'
import { collectParts, oneByOne } from '../../support/parts.ts'

const wrongs = (parts: readonly CompletionPart[]): (string | undefined)[] => {
  const check = createOrderCheck()
  return parts.map((part) => check(part))
}

describe('fold', () => {
  it('undoes unfold, whose parts are in order', async () => {
    await fc.assert(
      fc.asyncProperty(neutralResult, async (result) => {
        const parts = [...unfoldResult(result)]
        expect(wrongs(parts).filter((wrong) => wrong !== undefined)).toEqual([])
        expect(foldAll(parts)).toEqual(result)
        expect(await foldParts(oneByOne(parts))).toEqual(result)
      }),
    )
  })

  it('keeps extras, carriers of text and refusals', () => {
    const result: CompletionResult = {
      id: 'i',
      model: 'm',
      candidates: [
        {
          index: 0,
          content: [
            { type: 'text', text: '', carriers: [{ wire: 'generate_content', kind: 'thought_signature', value: 's' }] },
            { type: 'refusal', text: 'no' },
            { type: 'tool-call', id: 'c', name: 'f', arguments: { kind: 'invalid', text: '{' } },
          ],
          extras: [{ kind: 'image', mimeType: 'image/png', base64: 'AAAA' }],
          finish: { candidate: 0, reason: 'refusal' },
        },
      ],
      usage: undefined,
    }
    expect(foldAll(unfoldResult(result))).toEqual(result)
  })

  it('puts interleaved blocks where they began and takes the last usage', () => {
    const usage = (outputTokens: number): CompletionPart => ({ type: 'usage', usage: { inputTokens: 1, outputTokens, origin: 'provider' } })
    const result = foldAll([
      { type: 'start', id: 'i', model: 'm' },
      { type: 'tool-input-start', block: 0, candidate: 0, id: 'a', name: 'f', freeform: false },
      { type: 'tool-input-start', block: 1, candidate: 0, id: 'b', name: 'g', freeform: true },
      { type: 'tool-input-delta', block: 1, text: 'x' },
      usage(1),
      { type: 'tool-input-delta', block: 0, text: '{}' },
      { type: 'tool-input-end', block: 1 },
      { type: 'tool-input-end', block: 0 },
      usage(2),
      { type: 'finish', finishes: [{ candidate: 0, reason: 'tool_calls' }], usage: undefined },
    ])
    expect(result.candidates[0]?.content.map((part) => part.type === 'tool-call' && part.arguments)).toEqual([
      { kind: 'json', text: '{}', value: {} },
      { kind: 'text', text: 'x' },
    ])
    expect(result.usage?.outputTokens).toBe(2)
  })

  it('throws what an error part says, and when the end is missing', async () => {
    const error = new RouteplaneError('idle_timeout', 'silence')
    await expect(foldParts(oneByOne([{ type: 'error' as const, error }]))).rejects.toBe(error)
    expect(() => foldAll([{ type: 'start', id: '', model: '' }])).toThrow(expect.objectContaining({ code: 'stream_incomplete' }) as Error)
  })

  it('refuses to unfold what only a request can carry', () => {
    const content = [{ type: 'file', source: { kind: 'url', url: 'https://x.example' } }] as const
    const result: CompletionResult = {
      id: '',
      model: '',
      candidates: [{ index: 0, content, extras: [], finish: { candidate: 0, reason: 'stop' } }],
      usage: undefined,
    }
    expect(() => [...unfoldResult(result)]).toThrow(expect.objectContaining({ code: 'internal' }) as Error)
  })
})

describe('the order of parts', () => {
  const start: CompletionPart = { type: 'start', id: '', model: '' }
  const finish: CompletionPart = { type: 'finish', finishes: [], usage: undefined }
  const open: CompletionPart = { type: 'text-start', block: 0, candidate: 0 }

  it.each<[string, readonly CompletionPart[]]>([
    ['no start', [open]],
    ['two starts', [start, start]],
    ['a delta before its block', [start, { type: 'text-delta', block: 0, text: 'x' }]],
    ['a delta in a block of another kind', [start, open, { type: 'reasoning-delta', block: 0, text: 'x' }]],
    ['a delta after its block', [start, open, { type: 'text-end', block: 0 }, { type: 'text-delta', block: 0, text: 'x' }]],
    ['a block that begins twice', [start, open, { type: 'text-end', block: 0 }, open]],
    ['finish with a block open', [start, open, finish]],
    ['something after finish', [start, finish, { type: 'usage', usage: { inputTokens: 1, outputTokens: 1, origin: 'provider' } }]],
    ['two ends', [start, finish, finish]],
  ])('forbids %s', (_, parts) => {
    expect(wrongs(parts).at(-1)).toEqual(expect.any(String))
  })

  it('allows an error at any time, once', () => {
    const error: CompletionPart = { type: 'error', error: new RouteplaneError('internal', 'x') }
    expect(wrongs([error])).toEqual([undefined])
    expect(wrongs([start, open, error])).toEqual([undefined, undefined, undefined])
    expect(wrongs([error, error]).at(-1)).toEqual(expect.any(String))
  })

  it('is asserted on the way', async () => {
    expect(await collectParts(assertOrder(oneByOne([start, finish])))).toEqual([start, finish])
    await expect(collectParts(assertOrder(oneByOne([start])))).rejects.toMatchObject({ code: 'internal' })
    await expect(collectParts(assertOrder(oneByOne([open])))).rejects.toMatchObject({ code: 'internal' })
  })
})

describe('readToolArguments', () => {
  it.each([
    ['{"a":1}', { kind: 'json', text: '{"a":1}', value: { a: 1 } }],
    ['', { kind: 'json', text: '{}', value: {} }],
    [' \n', { kind: 'json', text: '{}', value: {} }],
    ['{"a":', { kind: 'invalid', text: '{"a":' }],
    ['"{}"', { kind: 'json', text: '"{}"', value: '{}' }],
  ])('reads %j', (text, expected) => {
    expect(readToolArguments(text)).toEqual(expected)
  })
})
