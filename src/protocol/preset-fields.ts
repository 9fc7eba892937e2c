/** What a preset says in a caller's own wire, laid under what he said himself. */
import { extensionFields } from './extensions.ts'

type Json = Readonly<Record<string, unknown>>

/** The parts of a preset that become a part of the request. */
export type PresetFields = {
  /** Used only when the request has no system text of its own. */
  readonly systemPrompt?: string
  /** Top-level members of the caller's wire. */
  readonly params?: Json
}

/** What only the request itself may say, and our own fields, which say what a preset may not widen. */
const reserved: ReadonlySet<string> = new Set([...extensionFields, 'model', 'messages', 'input', 'contents', 'stream'])

/** Gives the members of a preset that a request does not have: `null` is as good as nothing. */
export function absentParams(json: Json, params: Json = {}): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(params).filter(([name]) => !reserved.has(name) && !isSaid(json, name)))
}

/** Tells whether a request has a member that says something. */
export function isSaid(json: Json, name: string): boolean {
  return Object.hasOwn(json, name) && json[name] !== undefined && json[name] !== null
}
