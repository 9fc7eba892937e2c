/** Random answers as parts, their blocks interleaved in every legal way. */
import fc from 'fast-check'
import type { CompletionPart, Extra, SignatureCarrier } from '../../../../src/completion/part.ts'

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const carrier: fc.Arbitrary<SignatureCarrier> = fc
  .record({
    wire: fc.constantFrom('messages' as const, 'responses' as const, 'chat_completions' as const),
    provider: fc.constantFrom('acme', 'north'),
    value: words,
  })
  .map((fields) => ({ ...fields, kind: fields.wire === 'responses' ? ('encrypted_content' as const) : ('signature' as const) }))

type Block = { readonly start: CompletionPart; readonly middle: readonly CompletionPart[]; readonly end: CompletionPart }

const text = fc.array(words, { maxLength: 3 }).map((pieces) => (block: number): Block => ({
  start: { type: 'text-start', block, candidate: 0 },
  middle: pieces.map((piece) => ({ type: 'text-delta', block, text: piece })),
  end: { type: 'text-end', block },
}))
const thought = fc
  .tuple(fc.array(words, { maxLength: 3 }), fc.array(carrier, { maxLength: 2 }), fc.constantFrom('full' as const, 'summary' as const))
  .map(([pieces, carriers, form]) => (block: number): Block => ({
    start: { type: 'reasoning-start', block, candidate: 0, form },
    middle: pieces.map((piece) => ({ type: 'reasoning-delta', block, text: piece })),
    end: { type: 'reasoning-end', block, carriers },
  }))
const call = fc
  .tuple(fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/), fc.dictionary(words, words, { maxKeys: 2 }), fc.boolean(), fc.nat({ max: 9 }))
  .map(([id, value, freeform, at]) => (block: number): Block => {
    const written = freeform ? Object.keys(value).join(' ') : JSON.stringify(value)
    const pieces = [written.slice(0, at), written.slice(at)].filter((piece) => piece !== '')
    return {
      start: { type: 'tool-input-start', block, candidate: 0, id: `${id}_${block}`, name: freeform ? 'patch' : 'weather', freeform },
      middle: pieces.map((piece) => ({ type: 'tool-input-delta', block, text: piece })),
      end: { type: 'tool-input-end', block },
    }
  })
const extra: fc.Arbitrary<Extra> = fc.oneof(
  fc.webUrl().map((url): Extra => ({ kind: 'citation', url, title: 't', start: 0, end: 1, raw: null })),
  fc.base64String({ minLength: 4, maxLength: 8 }).map((base64): Extra => ({ kind: 'image', mimeType: 'image/png', base64 })),
)
const loose = fc.oneof(
  words.map((said) => (): CompletionPart => ({ type: 'refusal-delta', candidate: 0, text: said })),
  extra.map((each) => (block: number): CompletionPart => ({ type: 'extra', block, candidate: 0, extra: each })),
)

/** Answers that end well. Blocks overlap at random; what belongs to one block stays in order. */
export const answer: fc.Arbitrary<readonly CompletionPart[]> = fc
  .record({
    blocks: fc.array(fc.oneof(text, thought, call), { maxLength: 5 }),
    loose: fc.array(loose, { maxLength: 3 }),
    picks: fc.array(fc.nat({ max: 1_000 }), { minLength: 60, maxLength: 60 }),
    usage: fc.boolean(),
  })
  .map(({ blocks, loose: others, picks, usage }) => {
    const queues: CompletionPart[][] = [
      ...blocks.map((make, at) => {
        const { start, middle, end } = make(at)
        return [start, ...middle, end]
      }),
      ...others.map((make, at) => [make(blocks.length + at)]),
    ]
    const parts: CompletionPart[] = [{ type: 'start', id: '', model: 'north-2' }]
    for (const pick of picks) {
      const left = queues.filter((queue) => queue.length > 0)
      const next = left[pick % Math.max(1, left.length)]?.shift()
      if (next !== undefined) parts.push(next)
    }
    for (const queue of queues) parts.push(...queue)
    const hasCalls = parts.some(({ type }) => type === 'tool-input-start')
    const hasRefusal = parts.some(({ type }) => type === 'refusal-delta')
    const reason = hasCalls ? 'tool_calls' : hasRefusal ? 'refusal' : 'stop'
    const counted = usage
      ? ({ inputTokens: 7, outputTokens: 5, cacheReadTokens: 2, reasoningTokens: 1, origin: 'provider' } as const)
      : undefined
    return [...parts, { type: 'finish', finishes: [{ candidate: 0, reason }], usage: counted }]
  })
