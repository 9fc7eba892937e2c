/** What the parts of an answer come to, in the words of the fixtures of this wire. */
import type { CompletionPart } from '../../../../src/completion/part.ts'

export type Summary = {
  readonly text?: string
  readonly texts?: readonly string[]
  readonly thought?: string
  /** Id (null: any), name, arguments as written. */
  readonly calls?: readonly (readonly [string | null, string, string])[]
  readonly signatures?: readonly string[]
  readonly citations?: readonly (readonly [string, number | null, number | null])[]
  readonly media?: readonly string[]
  readonly foreign?: number
  readonly finish?: readonly string[]
  readonly usage?: Readonly<Record<string, number>>
  readonly error?: string
}

type Draft = {
  readonly texts: Map<number, string>
  readonly calls: Map<number, [string, string, string]>
  thought: string
  readonly signatures: string[]
  readonly citations: [string, number | null, number | null][]
  readonly media: string[]
  foreign: number
}

/** Sums parts up; of an answer that failed only its error counts. */
export function summarise(parts: readonly CompletionPart[]): Summary {
  const draft: Draft = { texts: new Map(), calls: new Map(), thought: '', signatures: [], citations: [], media: [], foreign: 0 }
  for (const part of parts) add(draft, part)
  const last = parts.at(-1)
  if (last?.type === 'error') return { error: last.error.code }
  const { raw: _raw, origin: _origin, ...usage } = { ...(last?.type === 'finish' ? last.usage : undefined) }
  const texts = [...draft.texts.values()].filter((text) => text !== '')
  const { citations, media, signatures, foreign, thought, calls } = draft
  return {
    ...(texts.length === 1 ? { text: texts[0] as string } : texts.length === 0 ? {} : { texts }),
    ...(thought === '' ? {} : { thought }),
    ...(calls.size === 0 ? {} : { calls: [...calls.values()] }),
    ...(signatures.length === 0 ? {} : { signatures }),
    ...(citations.length === 0 ? {} : { citations }),
    ...(media.length === 0 ? {} : { media }),
    ...(foreign === 0 ? {} : { foreign }),
    ...(last?.type === 'finish' ? { finish: last.finishes.map(({ reason }) => reason) } : {}),
    ...(Object.keys(usage).length === 0 ? {} : { usage: usage as Record<string, number> }),
  }
}

function add(draft: Draft, part: CompletionPart): void {
  if (part.type === 'text-start') draft.texts.set(part.block, '')
  else if (part.type === 'text-delta') draft.texts.set(part.block, `${draft.texts.get(part.block) ?? ''}${part.text}`)
  else if (part.type === 'reasoning-delta') draft.thought += part.text
  else if (part.type === 'tool-input-start') draft.calls.set(part.block, [part.id, part.name, ''])
  else if (part.type === 'tool-input-delta') (draft.calls.get(part.block) as [string, string, string])[2] += part.text
  if ('carriers' in part) draft.signatures.push(...(part.carriers ?? []).map(({ value }) => value))
  if (part.type !== 'extra') return
  const { extra } = part
  if (extra.kind === 'citation') draft.citations.push([extra.url, extra.start ?? null, extra.end ?? null])
  else if (extra.kind === 'image' || extra.kind === 'audio') draft.media.push(extra.mimeType)
  else if (extra.kind === 'foreign') draft.foreign++
}

/** Takes invented ids for any, where the fixture does. */
export function withAnyIds(found: Summary, expected: Summary): Summary {
  if (found.calls === undefined) return found
  return { ...found, calls: found.calls.map(([id, ...rest], at) => [expected.calls?.[at]?.[0] === null ? null : id, ...rest] as const) }
}
