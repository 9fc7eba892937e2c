/** Where callers of this wire write what the neutral request names, and what a preset adds to their requests. */
import { isRecord } from '../../lib/json.ts'
import { spellPath } from '../caller-path.ts'
import { absentParams, type PresetFields } from '../preset-fields.ts'
import type { WireRequest } from '../protocol.ts'

type Json = WireRequest['json']

/** Spells the neutral path of a loss. System messages at the head are blocks and not turns, so that turns count on after them. */
export function pathOf(path: string, { json }: Pick<WireRequest, 'json'>): string {
  const lead = leadingSystem(json)
  return spellPath(path, {
    names: {
      output: 'response_format',
      'output.schema': 'response_format.json_schema.schema',
      max_tokens: isSet(json, 'max_completion_tokens') ? 'max_completion_tokens' : 'max_tokens',
      reasoning: isSet(json, 'reasoning') ? 'reasoning' : 'reasoning_effort',
      'reasoning.effort': isSet(json, 'reasoning_effort') ? 'reasoning_effort' : 'reasoning.effort',
      'reasoning.display': 'reasoning.exclude',
    },
    system: (index) => `messages[${index}]`,
    turn: (index) => `messages[${lead + index}]`,
    parts: 'content',
    tool: (index) => `tools[${index}]`,
    parameters: 'function.parameters',
  })
}

function isSet(json: Json, name: string): boolean {
  return json[name] !== undefined && json[name] !== null
}

const limits = ['max_tokens', 'max_completion_tokens'] as const

function leadingSystem({ messages }: Json): number {
  const list = Array.isArray(messages) ? (messages as readonly unknown[]) : []
  const at = list.findIndex((message) => !isSystem(message))
  return at === -1 ? list.length : at
}

function isSystem(message: unknown): boolean {
  return isRecord(message) && (message['role'] === 'system' || message['role'] === 'developer')
}

/** A preset's system text becomes the first message of a request that has no instructions at all. */
export function presetMembers(json: Json, { systemPrompt, params }: PresetFields): ReadonlyMap<string, unknown> {
  const members = new Map(absentParams(json, params))
  // Two names of one limit: the caller's counts whichever he uses.
  if (limits.some((name) => isSet(json, name))) for (const name of limits) members.delete(name)
  const messages = Array.isArray(json['messages']) ? (json['messages'] as readonly unknown[]) : []
  if (systemPrompt === undefined || messages.some(isSystem)) return members
  return members.set('messages', [{ role: 'system', content: systemPrompt }, ...messages])
}
