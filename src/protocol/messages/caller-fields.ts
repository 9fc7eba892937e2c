/** Where callers of this wire write what the neutral request names, and what a preset adds to their requests. */
import { isRecord } from '../../lib/json.ts'
import { spellPath } from '../caller-path.ts'
import { absentParams, isSaid, type PresetFields } from '../preset-fields.ts'
import type { WireRequest } from '../protocol.ts'

type Json = WireRequest['json']

/** Spells the neutral path of a loss. */
export function pathOf(path: string, { json }: Pick<WireRequest, 'json'>): string {
  const thinks = isSaid(json, 'thinking')
  return spellPath(path, {
    names: {
      output: 'output_config.format',
      'output.schema': 'output_config.format.schema',
      stop: 'stop_sequences',
      parallel_tool_calls: 'tool_choice.disable_parallel_tool_use',
      reasoning: thinks ? 'thinking' : 'output_config.effort',
      'reasoning.effort': isEffort(json) ? 'output_config.effort' : 'thinking',
      'reasoning.display': 'thinking.display',
      user: 'metadata.user_id',
    },
    system: (index) => (typeof json['system'] === 'string' ? 'system' : `system[${index}]`),
    turn: (index) => `messages[${index}]`,
    parts: 'content',
    tool: (index) => `tools[${index}]`,
    parameters: 'input_schema',
  })
}

function isEffort({ output_config: config }: Json): boolean {
  return isRecord(config) && isSaid(config, 'effort')
}

/** A preset's system text stands in for the `system` of a request that has none. */
export function presetMembers(json: Json, { systemPrompt, params }: PresetFields): ReadonlyMap<string, unknown> {
  const members = new Map(absentParams(json, params))
  if (systemPrompt === undefined || hasSystem(json)) return members
  return members.set('system', systemPrompt)
}

function hasSystem({ system, messages }: Json): boolean {
  if (system !== undefined && system !== null && system !== '' && !(Array.isArray(system) && system.length === 0)) return true
  return Array.isArray(messages) && messages.some((message) => isRecord(message) && message['role'] === 'system')
}
