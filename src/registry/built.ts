/** A registry in two JSON files, `providers.json` and `models.json`: how they are written, and how far they are believed. */
import { createHash } from 'node:crypto'
import { RouteplaneError } from '../errors.ts'
import { isRecord, parseJson } from '../lib/json.ts'

/** Which of the two, by the name of its list. */
export const builtKinds = ['providers', 'models'] as const
export type BuiltKind = (typeof builtKinds)[number]

export type Built = {
  /** Rises with every change; a copy with a lower one is an old one. */
  readonly serial: number
  /** Rows as the YAML files spell them, every scalar text. */
  readonly rows: readonly unknown[]
}

const VERSION = 1

/** Writes one of the files. The same rows and serial give the same bytes, whatever order their keys came in. */
export function writeBuilt(kind: BuiltKind, { serial, rows }: Built): string {
  const sorted = rows.map(sortKeys)
  return `${JSON.stringify({ version: VERSION, serial, digest: digestOf(sorted), [kind]: sorted }, undefined, 2)}\n`
}

/**
 * Reads one of the files.
 *
 * The digest finds a copy that was cut or changed on its way; whoever writes the file can write a digest too, so trust in
 * its contents comes from where it was fetched.
 *
 * @throws RouteplaneError `manifest_invalid` for another version, a wrong digest, or what is no such file.
 */
export function readBuilt(kind: BuiltKind, text: string): Built {
  const file = `${kind}.json`
  const json = parseJson(text)
  const rows: unknown = isRecord(json) ? json[kind] : undefined
  if (!isRecord(json) || !Array.isArray(rows)) throw refuse(file, `there is no list named ${kind}`)
  const { version, serial, digest } = json
  if (version !== VERSION) throw refuse(file, `its version is not ${VERSION}`)
  if (typeof serial !== 'number' || !Number.isSafeInteger(serial) || serial < 0) throw refuse(file, 'its serial is not a whole number')
  if (digest !== digestOf(rows)) throw refuse(file, 'its digest does not fit its contents')
  return { serial, rows }
}

function refuse(file: string, reason: string): RouteplaneError {
  return new RouteplaneError('manifest_invalid', `${file} cannot be used: ${reason}`, { details: { file } })
}

function digestOf(rows: readonly unknown[]): string {
  return `sha256:${createHash('sha256')
    .update(JSON.stringify(rows.map(sortKeys)))
    .digest('hex')}`
}

/** Keys by code units at every level; lists keep their order, because it can mean something. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (!isRecord(value)) return value
  const keys = Object.keys(value).toSorted((a, b) => (a < b ? -1 : 1))
  return Object.fromEntries(keys.map((key) => [key, sortKeys(value[key])]))
}
