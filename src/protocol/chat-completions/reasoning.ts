/** Reads thoughts in the three forms that vendors of this wire give them. */
import type { SignatureCarrier } from '../../completion/part.ts'
import { isRecord } from '../../lib/json.ts'

/** Gives the text of thought in a message or delta: `reasoning_content` (DeepSeek and its kin) or `reasoning` (OpenRouter, Groq). */
export function plainThought(message: Readonly<Record<string, unknown>>): string {
  for (const field of ['reasoning_content', 'reasoning'] as const) {
    const value = message[field]
    if (typeof value === 'string' && value !== '') return value
  }
  return ''
}

/** Gives the same from `reasoning_details`, which says again what the plain fields say: never read both. */
export function detailedThought(details: readonly Detail[]): string {
  return details.map(({ text, summary }) => (typeof text === 'string' ? text : typeof summary === 'string' ? summary : '')).join('')
}

type Detail = Readonly<Record<string, unknown>>

export function detailsOf(message: Readonly<Record<string, unknown>>): readonly Detail[] {
  const details = message['reasoning_details']
  return Array.isArray(details) ? details.filter(isRecord) : []
}

/**
 * Joins the pieces of streamed details: pieces of one type and index are one detail, its texts running on. One
 * without an index is whole.
 *
 * @see https://openrouter.ai/docs/use-cases/reasoning-tokens
 */
export function joinDetails(pieces: readonly Detail[]): readonly Detail[] {
  const joined: Record<string, unknown>[] = []
  for (const piece of pieces) {
    const last = joined.at(-1)
    if (last === undefined || typeof piece['index'] !== 'number' || last['index'] !== piece['index'] || last['type'] !== piece['type']) {
      joined.push({ ...piece })
      continue
    }
    for (const [name, value] of Object.entries(piece)) {
      const before = last[name]
      const runsOn = (name === 'text' || name === 'summary' || name === 'data') && typeof before === 'string' && typeof value === 'string'
      last[name] = runsOn ? before + value : (value ?? before)
    }
  }
  return joined
}

/** Keeps details for their issuer, who wants them back unchanged. */
export function detailCarriers(pieces: readonly Detail[]): readonly SignatureCarrier[] {
  if (pieces.length === 0) return []
  return [{ wire: 'chat_completions', kind: 'reasoning_details', value: JSON.stringify(joinDetails(pieces)) }]
}
