/** Recorded and hand-made upstream answers, and ways to cut them up. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
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
  const texts = new Map<number, string>()
  const owners = new Map<number, number>()
  const calls = new Map<number, [string, string, string]>()
  const summary = { thought: '', refusal: '', details: [] as unknown[], citations: [] as string[] }
  let ending: Expected = {}
  for (const part of parts) {
    if (part.type === 'text-start') owners.set(part.block, part.candidate)
    else if (part.type === 'text-delta')
      texts.set(owners.get(part.block) ?? -1, (texts.get(owners.get(part.block) ?? -1) ?? '') + part.text)
    else if (part.type === 'reasoning-delta') summary.thought += part.text
    else if (part.type === 'reasoning-end')
      for (const carrier of part.carriers) summary.details.push(...(JSON.parse(carrier.value) as unknown[]))
    else if (part.type === 'refusal-delta') summary.refusal += part.text
    else if (part.type === 'tool-input-start') calls.set(part.block, [part.id, part.name, ''])
    else if (part.type === 'tool-input-delta') (calls.get(part.block) as [string, string, string])[2] += part.text
    else if (part.type === 'extra' && part.extra.kind === 'citation') summary.citations.push(part.extra.url)
    else if (part.type === 'error') ending = { error: part.error.code }
    else if (part.type === 'finish') {
      const { raw: _raw, origin: _origin, ...usage } = { ...part.usage }
      ending = {
        finish: part.finishes.map(({ reason }) => reason),
        ...(part.usage === undefined ? {} : { usage: usage as Record<string, number> }),
      }
    }
  }
  if ('error' in ending) return ending
  const spoken = [...texts].toSorted(([a], [b]) => a - b).map(([, text]) => text)
  return {
    ...(spoken.length === 1 ? { text: spoken[0] as string } : spoken.length === 0 ? {} : { texts: spoken }),
    ...(summary.thought === '' ? {} : { thought: summary.thought }),
    ...(summary.refusal === '' ? {} : { refusal: summary.refusal }),
    ...(calls.size === 0 ? {} : { calls: [...calls.values()] }),
    ...(summary.details.length === 0 ? {} : { details: summary.details }),
    ...(summary.citations.length === 0 ? {} : { citations: summary.citations }),
    ...ending,
  }
}
