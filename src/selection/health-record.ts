/** What one process knows of an endpoint's health as a line of text, so that others of the same ledger and later ones can take it up. */
import { isRecord, tryParseJson } from '../lib/json.ts'

/** After this long a past outcome counts half. */
export const HALF_LIFE_MS = 5 * 60_000
/** After this long without any outcome nothing is known any more. */
export const FORGET_MS = 60 * 60_000

/** Sums of outcomes, faded to the time `at`. */
export type HealthSums = {
  at: number
  successes: number
  counted: number
  failures: number
  all: number
  outputTokens: number
  generationMs: number
}

/** Whether an endpoint is left alone, as of the last outcome that had a say in it. */
export type Circuit = {
  circuitAt: number
  consecutive: number
  ejections: number
  limitedUntil: number
  ejectedUntil: number | undefined
}

export type HealthRecord = Readonly<HealthSums & Circuit> & { readonly ttftMs: number | undefined }

/** One process's record of one endpoint, as the store keeps it. */
export type HealthRow = { readonly endpoint: string; readonly owner: string; readonly at: number; readonly state: string }

export function emptySums(at: number): HealthSums {
  return { at, successes: 0, counted: 0, failures: 0, all: 0, outputTokens: 0, generationMs: 0 }
}

/** How much of a past outcome still counts. A clock that was set back makes nothing older. */
export function fadedBy(at: number, now: number): number {
  return 0.5 ** (Math.max(0, now - at) / HALF_LIFE_MS)
}

const sums = ['successes', 'counted', 'failures', 'all', 'outputTokens', 'generationMs'] as const

/** Fades sums to a later time, in place. */
export function fade(state: HealthSums, now: number): void {
  const factor = fadedBy(state.at, now)
  for (const name of sums) state[name] *= factor
  state.at = now
}

/** Adds others' sums, each faded to the latest time among them. */
export function addSums(all: readonly Readonly<HealthSums>[]): HealthSums {
  const total = emptySums(Math.max(0, ...all.map(({ at }) => at)))
  for (const each of all) {
    const factor = fadedBy(each.at, total.at)
    for (const name of sums) total[name] += each[name] * factor
  }
  return total
}

const numbers = ['at', ...sums, 'circuitAt', 'consecutive', 'ejections', 'limitedUntil'] as const

export function writeRecord(record: HealthRecord): string {
  const { ejectedUntil, ttftMs } = record
  const known = numbers.map((name) => [name, record[name]] as const)
  return JSON.stringify({
    ...Object.fromEntries(known),
    ...(ejectedUntil === undefined ? {} : { ejectedUntil }),
    ...(ttftMs === undefined ? {} : { ttftMs }),
  })
}

/** @returns `undefined` for a text that is no record: health that cannot be read is health nobody has. */
export function readRecord(text: string): HealthRecord | undefined {
  const json = tryParseJson(text)
  if (!isRecord(json)) return undefined
  const isCount = (value: unknown) => typeof value === 'number' && Number.isFinite(value) && value >= 0
  if (!numbers.every((name) => isCount(json[name]))) return undefined
  const optional = (name: string) => (isCount(json[name]) ? (json[name] as number) : undefined)
  const known = Object.fromEntries(numbers.map((name) => [name, json[name]])) as Record<(typeof numbers)[number], number>
  return { ...known, ejectedUntil: optional('ejectedUntil'), ttftMs: optional('ttftMs') }
}
