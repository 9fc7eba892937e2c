/** Decodes a Messages request into the neutral one. */
import type {
  CompletionRequest,
  Content,
  OutputFormat,
  ReasoningConfig,
  ReasoningEffort,
  Sampling,
  SystemBlock,
  Turn,
  UnknownField,
} from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'
import { unmodelled } from '../unmodelled.ts'
import { decodeCacheMark, decodeContent } from './blocks.ts'
import { accountFields, modelled, stateFields, thoughtDisplays } from './modelled.ts'
import { readCountRequest, readMessagesRequest } from './rules.ts'
import type { CountRequest, Message } from './schema.ts'
import { decodeToolChoice, decodeTools } from './tools.ts'

/** @throws RouteplaneError `invalid_request` naming the JSON path or the header. */
export function decodeRequest(wire: WireRequest): CompletionRequest {
  return decodeJson(readMessagesRequest(wire), wire)
}

/** Decodes a request for a count, in which no limit of output is given. @throws RouteplaneError as {@link decodeRequest}. */
export function decodeCountRequest(wire: WireRequest): CompletionRequest {
  return decodeJson(readCountRequest(wire), wire)
}

function decodeJson(json: CountRequest, wire: WireRequest): CompletionRequest {
  const unknown: UnknownField[] = [...unmodelled(wire.json, modelled)]
  const system = decodeSystem(json.system, unknown)
  const turns = markLast(decodeTurns(json.messages, unknown), json.cache_control)
  const limit = json.max_tokens ?? undefined
  return defined({
    toolChoice: decodeToolChoice(json.tool_choice),
    parallelToolCalls: json.tool_choice?.disable_parallel_tool_use === true ? false : undefined,
    maxOutputTokens: limit === 0 ? undefined : limit,
    reasoning: decodeReasoning(json, unknown),
    model: json.model ?? '',
    system,
    turns,
    tools: decodeTools(json),
    sampling: decodeSampling(json),
    stop: json.stop_sequences ?? [],
    candidates: 1,
    output: decodeOutput(json),
    outputModalities: ['text'] as const,
    stream: json.stream ?? false,
    state: decodeState(json, wire.json, unknown),
    account: Object.fromEntries(accountFields.flatMap((name) => (isPresent(wire.json[name]) ? [[name, wire.json[name]]] : []))),
    unknown,
  })
}

function isPresent<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null
}

/** An account note that Claude Code writes to the vendor as its first block: words to no other model. */
const BILLING_NOTE = /^x-anthropic-billing-header:/

function decodeSystem(system: CountRequest['system'], unknown: UnknownField[]): readonly SystemBlock[] {
  const blocks = typeof system === 'string' ? [{ text: system }] : (system ?? [])
  return blocks.flatMap((block: { readonly text: string; readonly cache_control?: unknown }, index): readonly SystemBlock[] => {
    if (block.text === '') return []
    if (BILLING_NOTE.test(block.text)) {
      unknown.push({ path: `system[${index}]`, value: block.text })
      return []
    }
    return [{ text: block.text, role: 'system', ...decodeCacheMark(block.cache_control) }]
  })
}

function decodeTurns(messages: readonly Message[], unknown: UnknownField[]): readonly Turn[] {
  return messages.flatMap((message, index): readonly Turn[] => {
    const parts = decodeContent(message.content, `messages[${index}].content`, unknown)
    return message.role === 'user' ? splitResults(parts) : [{ role: message.role, parts }]
  })
}

/** Results stand in user messages here; they are the tools' turn, and what the user says beside them is his. */
function splitResults(parts: readonly Content[]): readonly Turn[] {
  const results = parts.filter(({ type }) => type === 'tool-result')
  if (results.length === 0) return [{ role: 'user', parts }]
  const others = parts.filter(({ type }) => type !== 'tool-result')
  return [{ role: 'tool', parts: results }, ...(others.length === 0 ? [] : [{ role: 'user' as const, parts: others }])]
}

/** A mark at the top level is one on the last block. @see https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching */
function markLast(turns: readonly Turn[], mark: unknown): readonly Turn[] {
  const { cache } = decodeCacheMark(mark)
  const turn = turns.at(-1)
  const part = turn?.parts.at(-1)
  if (cache === undefined || turn === undefined || part === undefined) return turns
  if (part.type === 'reasoning' || part.type === 'refusal' || part.type === 'foreign' || part.cache !== undefined) return turns
  return [...turns.slice(0, -1), { ...turn, parts: [...turn.parts.slice(0, -1), { ...part, cache }] }]
}

function decodeSampling(json: CountRequest): Sampling {
  return defined({ temperature: json.temperature ?? undefined, topP: json.top_p ?? undefined, topK: json.top_k ?? undefined })
}

const efforts: readonly string[] = ['low', 'medium', 'high', 'xhigh', 'max'] satisfies ReasoningEffort[]

/** @see https://docs.anthropic.com/en/docs/build-with-claude/effort and extended-thinking */
function decodeReasoning({ thinking, output_config: config }: CountRequest, unknown: UnknownField[]): ReasoningConfig | undefined {
  const effort = isPresent(config?.effort) ? readEffort(config.effort) : undefined
  if (!isPresent(thinking)) return effort === undefined ? undefined : { effort }
  const display = thoughtDisplays.find((known) => known === thinking.display)
  switch (thinking.type) {
    case 'disabled':
      if (effort !== undefined) unknown.push({ path: 'output_config.effort', value: effort })
      return { effort: 'none' }
    case 'enabled':
      return defined({ budgetTokens: thinking.budget_tokens ?? undefined, effort, display })
    case 'adaptive':
      return defined({ adaptive: true, effort, display })
    default:
      unknown.push({ path: 'thinking', value: thinking })
      return effort === undefined ? undefined : { effort }
  }
}

function readEffort(effort: string): ReasoningEffort {
  if (efforts.includes(effort)) return effort as ReasoningEffort
  throw invalidRequest('output_config.effort', `must be one of ${efforts.join(', ')}`)
}

/** The vendor binds the answer to the schema, so that other wires are asked for the same. */
function decodeOutput(json: CountRequest): OutputFormat {
  const format = json.output_config?.format ?? json.output_format ?? undefined
  if (format === undefined) return { kind: 'text' }
  if (format.type === 'text') return { kind: 'text' }
  const path = isPresent(json.output_config?.format) ? 'output_config.format' : 'output_format'
  if (format.type !== 'json_schema' || !isPresent(format.schema)) throw invalidRequest(path, 'must be a json_schema with its schema')
  return { kind: 'schema', schema: format.schema, strict: true }
}

function decodeState(
  json: CountRequest,
  raw: Readonly<Record<string, unknown>>,
  unknown: UnknownField[],
): Readonly<Record<string, string>> {
  const isBegun = isRecord(raw['thread']) && raw['thread']['type'] === 'create'
  // Beginning a thread is an offer to keep what is said; who goes on from it is told to say all of it again.
  if (isBegun) unknown.push({ path: 'thread', value: raw['thread'] })
  const elsewhere = ['context_management', 'max_tokens', ...(isBegun ? ['thread'] : [])]
  const own = stateFields.filter((name) => !elsewhere.includes(name) && isPresent(raw[name]))
  const state = Object.fromEntries(own.map((name) => [name, JSON.stringify(raw[name])]))
  if (json.max_tokens === 0) state['max_tokens'] = '0'
  if (decodeEdits(json, unknown)) state['context_management'] = JSON.stringify(raw['context_management'])
  return state
}

/**
 * Edits of the context that only take something away are hints: without them the model sees more. One that writes a summary
 * in its place changes the conversation, and so does whatever is not known.
 *
 * @returns whether there is an edit that only the vendor can do.
 * @see https://docs.anthropic.com/en/docs/build-with-claude/context-editing
 */
function decodeEdits({ context_management: management }: CountRequest, unknown: UnknownField[]): boolean {
  let isBound = false
  for (const [index, edit] of (management?.edits ?? []).entries()) {
    if (edit.type === 'clear_thinking_20251015' && edit['keep'] === 'all') continue
    if (edit.type.startsWith('clear_')) unknown.push({ path: `context_management.edits[${index}]`, value: edit })
    else isBound = true
  }
  for (const [name, value] of Object.entries(management ?? {})) {
    if (name === 'edits' || value === null) continue
    if (isRecord(value)) isBound = true
    else unknown.push({ path: `context_management.${name}`, value })
  }
  return isBound
}
