/** Decodes a Responses request into the neutral one. */
import type { CompletionRequest, OutputFormat, ReasoningConfig, ReasoningEffort, Sampling, UnknownField } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest, readWire } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'
import { unmodelled } from '../unmodelled.ts'
import { isCompaction, untranslatableCompaction } from './compact.ts'
import { decodeItems } from './items.ts'
import { accountFields, modelled } from './modelled.ts'
import { responsesRequestSchema, type ResponsesRequest } from './schema.ts'
import { asSchema, decodeToolChoice, decodeTools } from './tools.ts'

/** @throws RouteplaneError `invalid_request` naming the JSON path; `unsupported_parameter` for a compaction. */
export function decodeRequest(wire: WireRequest): CompletionRequest {
  if (isCompaction(wire)) throw untranslatableCompaction()
  const json = readWire(responsesRequestSchema, wire.json)
  const unknown: UnknownField[] = [...unmodelled(wire.json, modelled)]
  const { system, turns, tools } = decodeItems(json.instructions, json.input ?? [], unknown)
  const declared = (json.tools ?? []).map((tool, index) => ({ tool, path: `tools[${index}]` }))
  return defined({
    toolChoice: decodeToolChoice(json.tool_choice),
    parallelToolCalls: json.parallel_tool_calls ?? undefined,
    maxOutputTokens: json.max_output_tokens ?? undefined,
    reasoning: decodeReasoning(json.reasoning),
    model: json.model ?? '',
    system,
    turns,
    tools: decodeTools([...declared, ...tools], unknown),
    sampling: decodeSampling(json),
    stop: [],
    candidates: 1,
    output: decodeOutput(json.text),
    outputModalities: ['text'] as const,
    stream: json.stream ?? false,
    state: decodeState(json),
    account: Object.fromEntries(accountFields.flatMap((name) => (isPresent(wire.json[name]) ? [[name, wire.json[name]]] : []))),
    unknown,
  })
}

export function isPresent<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null
}

function decodeSampling(json: ResponsesRequest): Sampling {
  const { top_logprobs: top } = json
  const wantsLogprobs = json.include?.includes('message.output_text.logprobs') === true || (isPresent(top) && top > 0)
  return defined({
    temperature: json.temperature ?? undefined,
    topP: json.top_p ?? undefined,
    presencePenalty: json.presence_penalty ?? undefined,
    frequencyPenalty: json.frequency_penalty ?? undefined,
    logprobs: wantsLogprobs ? true : undefined,
    topLogprobs: wantsLogprobs ? (top ?? undefined) : undefined,
  })
}

const efforts: readonly string[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] satisfies ReasoningEffort[]

function decodeReasoning(given: ResponsesRequest['reasoning']): ReasoningConfig | undefined {
  if (!isPresent(given)) return undefined
  const summary = given.summary ?? given.generate_summary ?? undefined
  if (isPresent(given.effort) && !efforts.includes(given.effort))
    throw invalidRequest('reasoning.effort', `must be one of ${efforts.join(', ')}`)
  return defined({
    effort: (given.effort ?? undefined) as ReasoningEffort | undefined,
    display: summary === undefined ? undefined : ('summarized' as const),
  })
}

/** @see https://platform.openai.com/docs/api-reference/responses/create, `text.format` */
function decodeOutput(text: ResponsesRequest['text']): OutputFormat {
  const format = text?.format
  if (!isPresent(format) || format.type === 'text') return { kind: 'text' }
  if (format.type === 'json_object') return { kind: 'json' }
  if (format.type !== 'json_schema' || !(isRecord(format.schema) || typeof format.schema === 'boolean')) {
    throw invalidRequest('text.format', 'must be text, json_object or json_schema with its schema')
  }
  return {
    kind: 'schema',
    schema: asSchema(format.schema),
    ...defined({ name: format.name ?? undefined, description: format.description ?? undefined, strict: format.strict ?? undefined }),
  }
}

/** Ids that mean something to one provider only, and work on the conversation that only he can do. */
function decodeState(json: ResponsesRequest): Readonly<Record<string, string>> {
  const { conversation, previous_response_id: previous, context_management: management } = json
  return defined({
    previous_response_id: previous ?? undefined,
    conversation: typeof conversation === 'string' ? conversation : conversation?.id,
    prompt: json.prompt?.id,
    context_management: isPresent(management) && management.length > 0 ? JSON.stringify(management) : undefined,
  }) as Readonly<Record<string, string>>
}
