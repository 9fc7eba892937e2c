/** Decodes a Chat Completions request into the neutral one. */
import type {
  CompletionRequest,
  JsonSchema,
  OutputFormat,
  OutputModality,
  ReasoningConfig,
  ReasoningEffort,
  Sampling,
  Tool,
  ToolChoice,
} from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest, readWire } from '../invalid-request.ts'
import { bookkeepingFields } from '../openai-fields.ts'
import type { WireRequest } from '../protocol.ts'
import { unmodelled } from '../unmodelled.ts'
import { decodeMessages } from './messages.ts'
import { modelled } from './modelled.ts'
import { chatRequestSchema, type ChatRequest, type WireTool } from './schema.ts'

/** @throws RouteplaneError `invalid_request` naming the JSON path. */
export function decodeRequest(wire: WireRequest): CompletionRequest {
  const json = readWire(chatRequestSchema, wire.json)
  const { system, turns } = decodeMessages(json.messages)
  return defined({
    toolChoice: decodeToolChoice(json),
    parallelToolCalls: json.parallel_tool_calls ?? undefined,
    maxOutputTokens: json.max_completion_tokens ?? json.max_tokens ?? undefined,
    reasoning: decodeReasoning(json),
    model: json.model ?? '',
    system,
    turns,
    tools: decodeTools(json),
    sampling: decodeSampling(json),
    stop: typeof json.stop === 'string' ? [json.stop] : (json.stop ?? []),
    candidates: json.n ?? 1,
    output: decodeOutput(json.response_format),
    outputModalities: decodeModalities(json.modalities),
    stream: json.stream ?? false,
    state: {},
    account: Object.fromEntries(bookkeepingFields.flatMap((name) => (isPresent(wire.json[name]) ? [[name, wire.json[name]]] : []))),
    unknown: unmodelled(wire.json, modelled),
  })
}

function isPresent<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null
}

function decodeSampling(json: ChatRequest): Sampling {
  return defined({
    temperature: json.temperature ?? undefined,
    topP: json.top_p ?? undefined,
    topK: json.top_k ?? undefined,
    minP: json.min_p ?? undefined,
    topA: json.top_a ?? undefined,
    frequencyPenalty: json.frequency_penalty ?? undefined,
    presencePenalty: json.presence_penalty ?? undefined,
    repetitionPenalty: json.repetition_penalty ?? undefined,
    seed: json.seed ?? undefined,
    logitBias: json.logit_bias ?? undefined,
    logprobs: json.logprobs ?? undefined,
    topLogprobs: json.top_logprobs ?? undefined,
  })
}

const efforts: readonly string[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] satisfies ReasoningEffort[]

/** `reasoning_effort` is OpenAI's, `reasoning` OpenRouter's, `enable_thinking` Qwen's: the first present decides. */
function decodeReasoning(json: ChatRequest): ReasoningConfig | undefined {
  if (isPresent(json.reasoning_effort)) return { effort: readEffort('reasoning_effort', json.reasoning_effort) }
  const { reasoning } = json
  if (isPresent(reasoning)) {
    const effort = isPresent(reasoning.effort) ? readEffort('reasoning.effort', reasoning.effort) : undefined
    return defined({
      effort: reasoning.enabled === false ? ('none' as const) : effort,
      budgetTokens: reasoning.max_tokens ?? undefined,
      adaptive: reasoning.enabled === true && effort === undefined && !isPresent(reasoning.max_tokens) ? true : undefined,
      display: reasoning.exclude === true ? ('omitted' as const) : undefined,
    })
  }
  if (!isPresent(json.enable_thinking)) return undefined
  return json.enable_thinking ? { adaptive: true } : { effort: 'none' }
}

function readEffort(path: string, value: string): ReasoningEffort {
  if (efforts.includes(value)) return value as ReasoningEffort
  throw invalidRequest(path, `must be one of ${efforts.join(', ')}`)
}

function decodeOutput(format: ChatRequest['response_format']): OutputFormat {
  if (!isPresent(format) || format.type === 'text') return { kind: 'text' }
  if (format.type === 'json_object') return { kind: 'json' }
  const given = format['json_schema']
  if (format.type !== 'json_schema' || !isRecord(given))
    throw invalidRequest('response_format', 'must be text, json_object or json_schema with its schema')
  return {
    kind: 'schema',
    schema: asSchema(given['schema']),
    ...defined({ name: asText(given['name']), description: asText(given['description']), strict: asFlag(given['strict']) }),
  }
}

function decodeModalities(asked: ChatRequest['modalities']): readonly OutputModality[] {
  if (!isPresent(asked) || asked.length === 0) return ['text']
  return asked.map((modality, index) => {
    if (modality === 'text' || modality === 'image' || modality === 'audio') return modality
    throw invalidRequest(`modalities[${index}]`, 'must be text, image or audio')
  })
}

function decodeTools(json: ChatRequest): readonly Tool[] {
  const tools = (json.tools ?? []).map((tool, index) => decodeTool(tool, index))
  const functions = (json.functions ?? []).map((given): Tool => decodeFunction(given))
  const search = json.web_search_options
  const hosted: readonly Tool[] = isPresent(search)
    ? [{ type: 'hosted', family: 'web_search', wire: 'chat_completions', config: search, raw: search }]
    : []
  return [...tools, ...functions, ...hosted]
}

function decodeTool(tool: WireTool, index: number): Tool {
  if (tool.type === 'function') {
    if (!isPresent(tool.function)) throw invalidRequest(`tools[${index}].function`, 'is missing')
    return decodeFunction(tool.function)
  }
  if (tool.type !== 'custom') return { type: 'hosted', family: tool.type, wire: 'chat_completions', config: {}, raw: tool }
  if (!isPresent(tool.custom)) throw invalidRequest(`tools[${index}].custom`, 'is missing')
  return {
    type: 'freeform',
    name: tool.custom.name,
    ...defined({ description: asText(tool.custom['description']), grammar: decodeGrammar(tool.custom['format'], index) }),
  }
}

function decodeFunction(given: { readonly name: string; readonly [key: string]: unknown }): Tool {
  return {
    type: 'function',
    name: given.name,
    schema: asSchema(given['parameters']),
    ...defined({ description: asText(given['description']), strict: asFlag(given['strict']) }),
  }
}

function decodeGrammar(format: unknown, index: number): { syntax: 'lark' | 'regex'; definition: string } | undefined {
  if (!isRecord(format) || format['type'] !== 'grammar') return undefined
  const grammar = isRecord(format['grammar']) ? format['grammar'] : {}
  const { syntax, definition } = grammar
  if ((syntax !== 'lark' && syntax !== 'regex') || typeof definition !== 'string') {
    throw invalidRequest(`tools[${index}].custom.format.grammar`, 'must have a syntax (lark or regex) and a definition')
  }
  return { syntax, definition }
}

function decodeToolChoice(json: ChatRequest): ToolChoice | undefined {
  const choice = json.tool_choice ?? undefined
  if (choice === undefined) return decodeFunctionCall(json.function_call)
  if (typeof choice === 'string') return namedMode('tool_choice', choice)
  const named = choice[choice.type]
  if (choice.type === 'allowed_tools' && isRecord(named)) return decodeAllowed(named)
  if ((choice.type === 'function' || choice.type === 'custom') && isRecord(named) && typeof named['name'] === 'string') {
    return { mode: 'tool', name: named['name'] }
  }
  throw invalidRequest('tool_choice', 'must name a function or custom tool, or list allowed_tools')
}

function decodeFunctionCall(call: ChatRequest['function_call']): ToolChoice | undefined {
  if (!isPresent(call)) return undefined
  return typeof call === 'string' ? namedMode('function_call', call) : { mode: 'tool', name: call.name }
}

function namedMode(path: string, mode: string): ToolChoice {
  if (mode === 'auto' || mode === 'none' || mode === 'required') return { mode }
  throw invalidRequest(path, 'must be auto, none, required or a tool')
}

function decodeAllowed(given: Readonly<Record<string, unknown>>): ToolChoice {
  const tools = Array.isArray(given['tools']) ? (given['tools'] as readonly unknown[]) : []
  const allowed = tools.map((tool, index) => {
    const named = isRecord(tool) && typeof tool['type'] === 'string' ? tool[tool['type']] : undefined
    if (isRecord(named) && typeof named['name'] === 'string') return named['name']
    throw invalidRequest(`tool_choice.allowed_tools.tools[${index}]`, 'must name a tool')
  })
  return { mode: given['mode'] === 'required' ? 'required' : 'auto', allowed }
}

/** A tool without parameters takes an empty object. */
function asSchema(value: unknown): JsonSchema {
  if (typeof value === 'boolean' || isRecord(value)) return value
  return { type: 'object', properties: {} }
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function asFlag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined
}
