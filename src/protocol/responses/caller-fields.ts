/** Where callers of this wire write what the neutral request names, and what a preset adds to their requests. */
import { isRecord } from '../../lib/json.ts'
import { spellPath } from '../caller-path.ts'
import { absentParams, type PresetFields } from '../preset-fields.ts'
import type { WireRequest } from '../protocol.ts'
import { itemType } from './item-schema.ts'

type Json = WireRequest['json']

/** Spells the neutral path of a loss: a turn stands where its first item does. */
export function pathOf(path: string, { json }: Pick<WireRequest, 'json'>): string {
  const { system, turns } = placesOf(json)
  return spellPath(path, {
    names: {
      output: 'text.format',
      'output.schema': 'text.format.schema',
      max_tokens: 'max_output_tokens',
      logprobs: 'top_logprobs',
      'reasoning.display': 'reasoning.summary',
    },
    system: (index) => system[index] ?? 'instructions',
    turn: (index) => turns[index] ?? 'input',
    tool: (index) => `tools[${index}]`,
    parameters: 'parameters',
  })
}

type Places = { readonly system: readonly string[]; readonly turns: readonly string[] }

/** Walks the items as the decoder does: those of one answer are one turn, and system messages before all turns are blocks. */
function placesOf({ instructions, input }: Json): Places {
  const system = typeof instructions === 'string' && instructions !== '' ? ['instructions'] : []
  if (!Array.isArray(input)) return { system, turns: [] }
  const turns: string[] = []
  let last: 'answer' | 'message' | 'other' = 'other'
  for (const [index, item] of (input as readonly unknown[]).entries()) {
    if (!isRecord(item)) continue
    const kind = kindOf(item)
    const place = `input[${index}]`
    if (kind === 'tools') continue
    if (kind === 'system' && turns.length === 0) system.push(...textsOf(item).map(() => place))
    else if (kind === 'message' ? last !== 'answer' : kind !== 'answer' || last === 'other') turns.push(place)
    last = kind === 'message' || kind === 'answer' ? kind : 'other'
  }
  return { system, turns }
}

function kindOf(item: Json): 'answer' | 'message' | 'system' | 'tools' | 'other' {
  const type = itemType(item)
  if (type === 'additional_tools') return 'tools'
  if (type === 'message') {
    if (item['role'] === 'assistant') return 'message'
    return item['role'] === 'system' || item['role'] === 'developer' ? 'system' : 'other'
  }
  return type.endsWith('_output') || type.endsWith('_response') ? 'other' : 'answer'
}

function textsOf({ content }: Json): readonly unknown[] {
  return Array.isArray(content) ? content : [content]
}

/** A preset's system text becomes the instructions of a request that has none, in whichever of their places. */
export function presetMembers(json: Json, { systemPrompt, params }: PresetFields): ReadonlyMap<string, unknown> {
  const members = new Map(absentParams(json, params))
  if (systemPrompt === undefined || hasInstructions(json)) return members
  return members.set('instructions', systemPrompt)
}

function hasInstructions({ instructions, input }: Json): boolean {
  if (typeof instructions === 'string' && instructions !== '') return true
  return Array.isArray(input) && input.some((item) => isRecord(item) && kindOf(item) === 'system')
}
