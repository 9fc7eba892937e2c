/** Recorded and hand-made upstream answers, and ways to cut them up. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { foldAll } from '../../src/completion/fold.ts'
import type { CompletionPart } from '../../src/completion/part.ts'

const root = new URL('../../', import.meta.url)

export type Expected = {
  readonly text?: string
  readonly texts?: readonly string[]
  readonly thought?: string
  readonly refusal?: string
  /** Id (null: any), name, arguments as written. */
  readonly calls?: readonly (readonly [string | null, string, string])[]
  readonly finish?: readonly string[]
  readonly usage?: Readonly<Record<string, number>>
  readonly details?: readonly unknown[]
  readonly citations?: readonly string[]
  readonly error?: string
}

export type StreamFixture = { readonly name: string; readonly bytes: Uint8Array; readonly expected: Expected }

/** Every folder of `test/fixtures/<wire>/` that holds a stream. */
export function streamFixtures(wire: string): readonly StreamFixture[] {
  const folder = new URL(`test/fixtures/${wire}/`, root)
  return readdirSync(folder).map((name) => ({
    name,
    bytes: readFileSync(new URL(`${name}/stream.sse`, folder)),
    expected: JSON.parse(readFileSync(new URL(`${name}/expected.json`, folder), 'utf8')) as Expected,
  }))
}

/** Recordings beside the checkout, when somebody has put them there; the suite is whole without. */
export function corpusFiles(wire: string, kind: 'stream' | 'response'): readonly { readonly name: string; readonly text: string }[] {
  const folder = fileURLToPath(new URL(`../shared/corpus/${wire}/`, root))
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${kind}-`))
    .map((name) => ({ name, text: readFileSync(`${folder}${name}`, 'utf8') }))
}

/** Cuts bytes at the given places. */
export function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const points = [0, ...places.toSorted((a, b) => a - b), bytes.length]
  return points.slice(1).map((to, index) => bytes.subarray(points[index], to))
}

export async function* from<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield item
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What parts come to, in the words of {@link Expected}. */
export function summarise(parts: readonly CompletionPart[]): Expected {
  const last = parts.at(-1)
  if (last?.type === 'error') return { error: last.error.code }
  const { candidates, usage } = foldAll(parts)
  const content = candidates.flatMap((candidate) => candidate.content)
  const texts = candidates.map((candidate) => candidate.content.map((part) => (part.type === 'text' ? part.text : '')).join(''))
  const thoughts = content.filter((part) => part.type === 'reasoning')
  const counted = { ...usage, raw: undefined, origin: undefined }
  return compact({
    ...(texts.length === 1 ? { text: texts[0] } : { texts }),
    thought: thoughts.flatMap((part) => part.text).join(''),
    refusal: content.map((part) => (part.type === 'refusal' ? part.text : '')).join(''),
    calls: content.flatMap((part) => (part.type === 'tool-call' ? [[part.id, part.name, part.arguments.text]] : [])),
    details: thoughts.flatMap((part) =>
      part.carriers.flatMap(({ kind, value }) => (kind === 'reasoning_details' ? (JSON.parse(value) as unknown[]) : [])),
    ),
    citations: candidates.flatMap(({ extras }) => extras.flatMap((extra) => (extra.kind === 'citation' ? [extra.url] : []))),
    finish: candidates.map(({ finish }) => finish.reason),
    usage: usage === undefined ? '' : compact(counted),
  })
}

/** Leaves out what says nothing: the empty text, the empty list and `undefined`. */
function compact(members: Record<string, unknown>): Expected {
  const isEmpty = (value: unknown): boolean => value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  return Object.fromEntries(Object.entries(members).filter(([, value]) => !isEmpty(value)))
}

/** Puts any id where the fixture takes any. */
export function withAnyIds(found: Expected, expected: Expected): Expected {
  if (found.calls === undefined) return found
  return { ...found, calls: found.calls.map(([id, name, text], at) => [expected.calls?.[at]?.[0] === null ? null : id, name, text]) }
}
