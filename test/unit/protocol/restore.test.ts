/** An answer comes back in the caller's own words, however its deltas are cut. */
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import type { CompletionPart, FinishReason, PartStream } from '../../../src/completion/part.ts'
import { RouteplaneError } from '../../../src/errors.ts'
import { parseJson } from '../../../src/lib/json.ts'
import { createMemberReader } from '../../../src/protocol/member-reader.ts'
import { restoreParts, type Restore, type RestoreNote, type SchemaVerdict } from '../../../src/protocol/restore.ts'
import { createStopMatcher } from '../../../src/protocol/stop-matcher.ts'
import { collectParts } from '../../support/parts.ts'

/** Cuts a text at the given places, wherever they fall. */
function cut(text: string, places: readonly number[]): string[] {
  const at = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b)
  return [0, ...at].map((from, index) => text.slice(from, at[index] ?? text.length))
}

const places = fc.array(fc.nat(), { maxLength: 12 })
const start: CompletionPart = { type: 'start', id: 'r', model: 'm' }
const finish = (reason: FinishReason = 'stop'): CompletionPart => ({
  type: 'finish',
  finishes: [{ candidate: 0, reason }],
  usage: undefined,
})

function textBlock(block: number, pieces: readonly string[], candidate = 0): CompletionPart[] {
  return [
    { type: 'text-start', block, candidate },
    ...pieces.map((text): CompletionPart => ({ type: 'text-delta', block, text })),
    { type: 'text-end', block },
  ]
}

function call(block: number, name: string, pieces: readonly string[], candidate = 0): CompletionPart[] {
  return [
    { type: 'tool-input-start', block, candidate, id: `id${block}`, name, freeform: false },
    ...pieces.map((text): CompletionPart => ({ type: 'tool-input-delta', block, text })),
    { type: 'tool-input-end', block },
  ]
}

type Source = { readonly parts: PartStream; state: 'unread' | 'open' | 'left' | 'ended' }

/** @param size - How many parts one read brings. */
function sourceOf(list: readonly CompletionPart[], size = 1): Source {
  const source: Source = { parts: read(), state: 'unread' }
  async function* read(): AsyncGenerator<readonly CompletionPart[]> {
    source.state = 'open'
    try {
      for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size)
      source.state = 'ended'
    } finally {
      if (source.state === 'open') source.state = 'left'
    }
  }
  return source
}

/** However many parts a read brings, the same comes of them. */
async function run(list: readonly CompletionPart[], restore: Restore) {
  const [one, ...others] = await Promise.all([1, 3, list.length].map((size) => runReads(list, restore, size)))
  for (const { parts, notes, verdicts } of others) {
    expect({ parts, notes, verdicts }).toEqual({ parts: one?.parts, notes: one?.notes, verdicts: one?.verdicts })
  }
  return one as Awaited<ReturnType<typeof runReads>>
}

async function runReads(list: readonly CompletionPart[], restore: Restore, size: number) {
  const source = sourceOf(list, size)
  const notes: RestoreNote[] = []
  const verdicts: SchemaVerdict[] = []
  const observer = {
    onNote: (note: RestoreNote) => void notes.push(note),
    onSchema: (verdict: SchemaVerdict) => void verdicts.push(verdict),
  }
  const parts = await collectParts(restoreParts(source.parts, restore, observer))
  return { parts, notes, verdicts, source }
}

function joined(parts: readonly CompletionPart[], type: 'text-delta' | 'tool-input-delta', block: number): string {
  return parts.map((part) => (part.type === type && part.block === block ? part.text : '')).join('')
}

describe('restoreParts', () => {
  it('hands the very stream back when there is nothing to undo', () => {
    const { parts } = sourceOf([])
    expect(restoreParts(parts, {})).toBe(parts)
    expect(restoreParts(parts, { stop: [''], toolNames: new Map(), freeformTools: new Set() })).toBe(parts)
  })

  it('gives tools their names back, and leaves names alone that were never changed', async () => {
    const { parts } = await run([start, ...call(0, 'fs_read', ['{}']), ...call(1, 'other', []), finish('tool_calls')], {
      toolNames: new Map([['fs_read', 'fs.read']]),
    })
    expect(parts.flatMap((part) => (part.type === 'tool-input-start' ? [part.name] : []))).toEqual(['fs.read', 'other'])
  })

  it('names the issuer on carriers that name none', async () => {
    const carriers = [
      { wire: 'messages', kind: 'signature', value: 'a' },
      { wire: 'messages', kind: 'signature', value: 'b', provider: 'first' },
    ] as const
    const list: CompletionPart[] = [
      start,
      { type: 'reasoning-start', block: 0, candidate: 0, form: 'full' },
      { type: 'reasoning-end', block: 0, carriers },
      finish(),
    ]
    const { parts } = await run(list, { issuer: { provider: 'acme', modelFamily: 'opus' } })
    const ended = parts[2]
    expect(ended?.type === 'reasoning-end' ? ended.carriers.map(({ provider, modelFamily }) => [provider, modelFamily]) : []).toEqual([
      ['acme', 'opus'],
      ['first', undefined],
    ])
  })

  it('delivers the first call of each candidate and reports the rest', async () => {
    const list = [start, ...call(0, 'a', ['{}']), ...call(1, 'b', ['{', '}']), ...call(2, 'c', [], 1), finish('tool_calls')]
    const { parts, notes, source } = await run(list, { dropParallel: true })
    expect(parts.flatMap((part) => (part.type === 'tool-input-start' ? [part.name] : []))).toEqual(['a', 'c'])
    expect(parts.some((part) => 'block' in part && part.block === 1)).toBe(false)
    expect(notes).toEqual([{ kind: 'parallel_call_dropped', candidate: 0, name: 'b' }])
    expect(source.state).toBe('ended')
  })
})

/** Writes every character as an escape. */
function escapeAll(text: string): string {
  return `"${text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`
}

describe('free-form tools', () => {
  const restore: Restore = { freeformTools: new Set(['apply_patch']), toolNames: new Map([['wire', 'apply_patch']]) }
  const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', '\t'), maxLength: 2 })

  it('unwrap to the very text, wherever the JSON is cut and however it is spaced and escaped', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 30 }),
        fc.boolean(),
        fc.tuple(spaces, spaces, spaces, spaces, spaces),
        places,
        async (text, isEscaped, [a, b, c, d, e], at) => {
          const json = `${a}{${b}"input"${c}:${d}${isEscaped ? escapeAll(text) : JSON.stringify(text)}${e}}${a}`
          const { parts, notes } = await run([start, ...call(0, 'wire', cut(json, at)), finish('tool_calls')], restore)
          expect(joined(parts, 'tool-input-delta', 0)).toBe(text)
          expect(parts.find(({ type }) => type === 'tool-input-start')).toMatchObject({ name: 'apply_patch', freeform: true })
          expect(notes).toEqual([])
        },
      ),
    )
  })

  it('never end a delta inside a character', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: fc.constantFrom('😀', 'a', '\n'), maxLength: 12 }), places, async (text, at) => {
        const { parts } = await run([start, ...call(0, 'wire', cut(JSON.stringify({ input: text }), at)), finish()], restore)
        const deltas = parts.flatMap((part) => (part.type === 'tool-input-delta' ? [part.text] : []))
        expect(deltas.map((delta) => Buffer.from(delta).toString())).toEqual(deltas)
      }),
    )
  })

  it('stream: what is certain is delivered before the rest has come', () => {
    const reader = createMemberReader('input', 'string')
    expect(reader.push('{"input": "*** Begin')).toBe('*** Begin')
    expect(reader.push(' Patch\\')).toBe(' Patch')
    expect(reader.push('n')).toBe('\n')
    expect(reader.push('"}')).toBe('')
    expect(reader.end()).toEqual({ text: '', intact: true })
  })

  it.each([
    ['another member first', '{"note":1,"input":"x"}', 'x'],
    ['another member after', '{"input":"x","note":1}', 'x'],
    ['no such member', '{"patch":"x"}', '{"patch":"x"}'],
    ['a value that is no string', '{"input": {"a":1}}', '{"input": {"a":1}}'],
    ['no JSON at all', '*** Begin Patch', '*** Begin Patch'],
    ['cut inside the string', '{"input":"half', 'half'],
    ['cut inside an escape', '{"input":"half\\u00', 'half\\u00'],
    ['cut before the value', '{"inp', '{"inp'],
    ['an escape that does not exist', '{"input":"a\\qb"}', 'a\\qb'],
    ['a raw line break', '{"input":"a\nb"}', 'a\nb'],
  ])('lose nothing and report it: %s', async (_, json, expected) => {
    await fc.assert(
      fc.asyncProperty(places, async (at) => {
        const { parts, notes } = await run([start, ...call(0, 'wire', cut(json, at)), finish('length')], restore)
        expect(joined(parts, 'tool-input-delta', 0)).toBe(expected)
        expect(notes).toEqual([{ kind: 'wrapper_broken', block: 0 }])
      }),
    )
  })

  it('give what was held back before an error that ends the answer', async () => {
    const error: CompletionPart = { type: 'error', error: new RouteplaneError('stream_incomplete', 'cut') }
    const { parts } = await run([start, ...call(0, 'wire', ['{"note":1,"inp']).slice(0, -1), error], restore)
    expect(joined(parts, 'tool-input-delta', 0)).toBe('{"note":1,"inp')
    expect(parts.at(-1)).toBe(error)
  })
})

describe('wrapped text', () => {
  it('gives the bare value of an enum', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 12 }), places, async (value, at) => {
        const { parts } = await run([start, ...textBlock(0, cut(JSON.stringify({ value }), at)), finish()], { enumWrapped: true })
        expect(joined(parts, 'text-delta', 0)).toBe(value)
      }),
    )
  })

  it('gives the JSON of a wrapped root', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.nat({ max: 2 }), places, async (value, indent, at) => {
        const json = JSON.stringify({ value }, null, indent)
        const { parts, notes } = await run([start, ...textBlock(0, cut(json, at)), finish()], { rootWrapped: true })
        expect(parseJson(joined(parts, 'text-delta', 0))).toEqual(parseJson(JSON.stringify(value)))
        expect(notes).toEqual([])
      }),
    )
  })

  it('passes plain text on as it comes when the model ignored the wrapper', async () => {
    const { parts, notes } = await run([start, ...textBlock(0, ['I ', 'refuse']), finish()], { enumWrapped: true })
    expect(parts.filter(({ type }) => type === 'text-delta')).toHaveLength(2)
    expect(notes).toEqual([{ kind: 'wrapper_broken', block: 0 }])
  })
})

/** The definition, without streaming: the earliest end wins, then the longest sequence. */
function naive(text: string, stops: readonly string[]): { text: string; matched?: string } {
  for (let end = 1; end <= text.length; end++) {
    const [matched] = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop)).toSorted((a, b) => b.length - a.length)
    if (matched !== undefined) return { text: text.slice(0, end - matched.length), matched }
  }
  return { text }
}

describe('createStopMatcher', () => {
  it('finds what the definition finds, for every cut of the text', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 24 })
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 5 }), { maxLength: 4 })
    fc.assert(
      fc.property(letters, stops, places, (text, sequences, at) => {
        const matcher = createStopMatcher(sequences)
        let seen = ''
        let matched: string | undefined
        for (const piece of cut(text, at)) {
          const step = matcher.push(piece)
          seen += step.text
          matched = step.matched
          if (matched !== undefined) break
        }
        if (matched === undefined) seen += matcher.end()
        expect({ text: seen, ...(matched === undefined ? {} : { matched }) }).toEqual(naive(text, sequences))
      }),
      { numRuns: 1000 },
    )
  })

  it('holds back no more than could still become a sequence', () => {
    const matcher = createStopMatcher(['END'])
    expect(matcher.push('go onE')).toEqual({ text: 'go on' })
    expect(matcher.push('N')).toEqual({ text: '' })
    expect(matcher.push('X')).toEqual({ text: 'ENX' })
    expect(matcher.end()).toBe('')
  })
})

describe('stop sequences', () => {
  it('cut the answer, end its blocks, finish it and leave the upstream, for every cut', async () => {
    await fc.assert(
      fc.asyncProperty(places, async (at) => {
        const list = [start, ...textBlock(0, cut('one\n\nHuman: two', at)), ...call(1, 'f', ['{}']), finish()]
        const { parts, source } = await run(list, { stop: ['\n\nHuman:', 'never'] })
        expect(joined(parts, 'text-delta', 0)).toBe('one')
        expect(parts.at(-2)).toEqual({ type: 'text-end', block: 0 })
        expect(parts.at(-1)).toEqual({
          type: 'finish',
          finishes: [{ candidate: 0, reason: 'stop_sequence', stopSequence: '\n\nHuman:' }],
          usage: undefined,
        })
        expect(source.state).toBe('left')
      }),
    )
  })

  it('report the last usage that came, and never guess one', async () => {
    const usage = { inputTokens: 5, outputTokens: 1, origin: 'provider' } as const
    const list: CompletionPart[] = [start, { type: 'usage', usage }, ...textBlock(0, ['a STOP']), finish()]
    const { parts } = await run(list, { stop: ['STOP'] })
    expect(parts.at(-1)).toMatchObject({ type: 'finish', usage })
  })

  it('are not looked for in thoughts, in calls, or across blocks', async () => {
    const list: CompletionPart[] = [
      start,
      { type: 'reasoning-start', block: 0, candidate: 0, form: 'full' },
      { type: 'reasoning-delta', block: 0, text: 'STOP' },
      { type: 'reasoning-end', block: 0, carriers: [] },
      ...call(1, 'f', ['"STOP"']),
      ...textBlock(2, ['ST']),
      ...textBlock(3, ['OP']),
      finish(),
    ]
    const { parts, source } = await run(list, { stop: ['STOP'] })
    expect(joined(parts, 'text-delta', 2) + joined(parts, 'text-delta', 3)).toBe('STOP')
    expect(parts.filter(({ type }) => type !== 'text-delta')).toEqual(list.filter(({ type }) => type !== 'text-delta'))
    expect(source.state).toBe('ended')
  })

  it('end only their own candidate while another goes on', async () => {
    const list: CompletionPart[] = [
      start,
      { type: 'text-start', block: 0, candidate: 0 },
      { type: 'text-start', block: 1, candidate: 1 },
      { type: 'text-delta', block: 0, text: 'a STOP b' },
      { type: 'text-delta', block: 1, text: 'c' },
      { type: 'text-delta', block: 0, text: ' d' },
      { type: 'text-end', block: 0 },
      { type: 'text-end', block: 1 },
      {
        type: 'finish',
        finishes: [
          { candidate: 0, reason: 'length' },
          { candidate: 1, reason: 'length' },
        ],
        usage: undefined,
      },
    ]
    const { parts, source } = await run(list, { stop: ['STOP'], candidates: 2 })
    expect(joined(parts, 'text-delta', 0)).toBe('a ')
    expect(joined(parts, 'text-delta', 1)).toBe('c')
    expect(parts.filter(({ type }) => type === 'text-end')).toHaveLength(2)
    expect(parts.at(-1)).toMatchObject({
      finishes: [
        { candidate: 0, reason: 'stop_sequence', stopSequence: 'STOP' },
        { candidate: 1, reason: 'length' },
      ],
    })
    expect(source.state).toBe('ended')
  })

  it('see the restored text, and give held text before an error', async () => {
    const { parts } = await run([start, ...textBlock(0, ['{"value":"re', 'dST']), finish()], { enumWrapped: true, stop: ['STOP'] })
    expect(joined(parts, 'text-delta', 0)).toBe('redST')
    const error: CompletionPart = { type: 'error', error: new RouteplaneError('stream_incomplete', 'cut') }
    const failed = await run([start, ...textBlock(0, ['abcST']).slice(0, -1), error], { stop: ['STOP'] })
    expect(joined(failed.parts, 'text-delta', 0)).toBe('abcST')
  })
})

describe('schemas', () => {
  const schema = { type: 'object', properties: { a: { type: 'integer', minimum: 3 } }, required: ['a'] }

  it.each<[string, string, FinishReason, SchemaVerdict['outcome'][]]>([
    ['fits', '{"a":3}', 'stop', ['satisfied']],
    ['breaks a bound', '{"a":2}', 'stop', ['violated']],
    ['is no JSON', 'sorry', 'stop', ['violated']],
    ['was cut short', '{"a":', 'length', ['unjudged']],
    ['ends in calls', 'let me look', 'tool_calls', []],
  ])('an answer that %s', async (_, text, reason, outcomes) => {
    const { verdicts, parts } = await run([start, ...textBlock(0, cut(text, [2, 5])), finish(reason)], { schema })
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(outcomes)
    expect(joined(parts, 'text-delta', 0)).toBe(text)
  })

  it('judge the text after it was unwrapped, before the finish is delivered', async () => {
    const source = sourceOf([start, ...textBlock(0, ['{"value":', '[1,2]}']), finish()])
    const seen: string[] = []
    const onSchema = ({ outcome }: SchemaVerdict) => void seen.push(outcome)
    const restore: Restore = { rootWrapped: true, schema: { type: 'array', items: { type: 'integer' } } }
    for await (const parts of restoreParts(source.parts, restore, { onSchema })) if (parts.at(-1)?.type === 'finish') seen.push('finish')
    expect(seen).toEqual(['satisfied', 'finish'])
  })

  it('say nothing of an answer without text, nor of one that failed', async () => {
    const error: CompletionPart = { type: 'error', error: new RouteplaneError('stream_incomplete', 'cut') }
    expect((await run([start, finish()], { schema })).verdicts).toEqual([])
    expect((await run([start, ...textBlock(0, ['{']), error], { schema })).verdicts).toEqual([])
  })
})
