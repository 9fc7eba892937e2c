/** States a lower output limit in a request of this wire. */
import { isRecord } from '../../lib/json.ts'
import type { WireRequest } from '../protocol.ts'

const limits = ['maxOutputTokens', 'max_output_tokens'] as const

/** The limit stands among other settings, which stay as the caller spelt them. */
export function limitOutput(json: WireRequest['json'], limit: number): ReadonlyMap<string, unknown> {
  const field = json['generationConfig'] === undefined && json['generation_config'] !== undefined ? 'generation_config' : 'generationConfig'
  const given = json[field]
  const kept = Object.entries(isRecord(given) ? given : {}).filter(([name]) => !limits.some((each) => each === name))
  return new Map([[field, Object.fromEntries([...kept, ['maxOutputTokens', limit]])]])
}
