/** Where callers of this wire write what the neutral request names, and what a preset adds to their requests. */
import { isRecord } from '../../lib/json.ts'
import { spellPath } from '../caller-path.ts'
import { absentParams, isSaid, type PresetFields } from '../preset-fields.ts'
import type { WireRequest } from '../protocol.ts'

type Json = WireRequest['json']

const config = 'generationConfig'

/** Members of `generationConfig` by their neutral names. @see https://ai.google.dev/api/generate-content#generationconfig */
const names: Readonly<Record<string, string>> = {
  temperature: `${config}.temperature`,
  top_p: `${config}.topP`,
  top_k: `${config}.topK`,
  n: `${config}.candidateCount`,
  max_tokens: `${config}.maxOutputTokens`,
  stop: `${config}.stopSequences`,
  presence_penalty: `${config}.presencePenalty`,
  frequency_penalty: `${config}.frequencyPenalty`,
  seed: `${config}.seed`,
  logprobs: `${config}.responseLogprobs`,
  modalities: `${config}.responseModalities`,
  reasoning: `${config}.thinkingConfig`,
  'reasoning.effort': `${config}.thinkingConfig`,
  'reasoning.display': `${config}.thinkingConfig.includeThoughts`,
  output: `${config}.responseMimeType`,
  tool_choice: 'toolConfig.functionCallingConfig',
  metadata: 'labels',
  service_tier: 'serviceTier',
}

/** Spells the neutral path of a loss. */
export function pathOf(path: string, { json }: Pick<WireRequest, 'json'>): string {
  const tools = toolPlaces(json['tools'])
  return spellPath(path, {
    names: { ...names, 'output.schema': `${config}.${schemaName(json)}` },
    system: (index) => `systemInstruction.parts[${index}]`,
    turn: (index) => `contents[${index}]`,
    parts: 'parts',
    tool: (index) => tools[index] ?? 'tools',
    parameters: 'parameters',
  })
}

function schemaName({ generationConfig: given }: Json): string {
  return isRecord(given) && isSaid(given, 'responseSchema') ? 'responseSchema' : 'responseJsonSchema'
}

/** Where each neutral tool was declared: one tool of this wire may hold many functions and hosted tools. */
function toolPlaces(tools: unknown): readonly string[] {
  if (!Array.isArray(tools)) return []
  return (tools as readonly unknown[]).flatMap((tool, index) => {
    if (!isRecord(tool)) return []
    const declared = tool['functionDeclarations'] ?? tool['function_declarations']
    const functions = Array.isArray(declared) ? declared.map((_, at) => `tools[${index}].functionDeclarations[${at}]`) : []
    const hosted = Object.keys(tool).filter((name) => !/^function_?[dD]eclarations$/.test(name) && tool[name] !== null)
    return [...functions, ...hosted.map((name) => `tools[${index}].${name}`)]
  })
}

/** Both spellings that the API takes. */
const configNames = ['generationConfig', 'generation_config'] as const
const systemNames = ['systemInstruction', 'system_instruction'] as const

/** Most parameters stand in `generationConfig` here, where the request wins member by member. */
export function presetMembers(json: Json, { systemPrompt, params = {} }: PresetFields): ReadonlyMap<string, unknown> {
  const members = new Map(absentParams(json, params))
  for (const name of configNames) members.delete(name)
  const given = configNames.map((name) => params[name]).find(isRecord)
  const own = configNames.find((name) => isSaid(json, name))
  const current = own === undefined ? {} : json[own]
  if (given !== undefined && isRecord(current))
    members.set(own ?? config, { ...current, ...Object.fromEntries(absentParams(current, given)) })
  if (systemPrompt !== undefined && !systemNames.some((name) => isSaid(json, name)))
    members.set('systemInstruction', { parts: [{ text: systemPrompt }] })
  return members
}
