/** Encodes a neutral request as a Chat Completions body. */
import { RouteplaneError } from '../../errors.ts'
import type { CompletionRequest, OutputFormat, ReasoningConfig, ReasoningEffort, Tool, ToolChoice } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import type { Encoded, UpstreamTarget } from '../protocol.ts'
import { nothingToRestore } from '../restore.ts'
import { encodeMessages } from './messages-encode.ts'
import { accountFields } from './request.ts'

export const CHAT_PATH = '/chat/completions'

/**
 * Writes the request for an upstream.
 *
 * Fields that another wire's decoder did not model are not guessed at: they stay out, and the planner has reported them.
 *
 * @throws {@link RouteplaneError} `unsupported_parameter` for content this wire cannot carry: never dropped silently.
 */
export function encodeRequest(request: CompletionRequest, target: UpstreamTarget): Encoded {
  const { sampling } = request
  const tools = request.tools.filter((tool) => !isWebSearch(tool)).map(encodeTool)
  const search = request.tools.find(isWebSearch)
  const body = defined({
    model: target.model,
    messages: encodeMessages(request),
    ...encodeLimit(request, target),
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    min_p: sampling.minP,
    top_a: sampling.topA,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    repetition_penalty: sampling.repetitionPenalty,
    seed: sampling.seed,
    logit_bias: sampling.logitBias,
    logprobs: sampling.logprobs,
    top_logprobs: sampling.topLogprobs,
    n: request.candidates === 1 ? undefined : request.candidates,
    stop: request.stop.length === 0 ? undefined : request.stop,
    tools: tools.length === 0 ? undefined : tools,
    tool_choice: encodeToolChoice(request),
    parallel_tool_calls: request.parallelToolCalls,
    web_search_options: search?.type === 'hosted' ? search.config : undefined,
    reasoning_effort: encodeEffort(request.reasoning),
    response_format: encodeOutput(request.output),
    modalities: request.outputModalities.join() === 'text' ? undefined : request.outputModalities,
    ...encodeAccount(request.account),
    ...(target.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  })
  return { path: CHAT_PATH, body, losses: [], restore: nothingToRestore }
}

/**
 * `max_tokens` is what every compatible server knows; OpenAI's reasoning models take only its successor.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/create#chat_create-max_tokens
 */
function encodeLimit(request: CompletionRequest, target: UpstreamTarget): Readonly<Record<string, number>> {
  if (request.maxOutputTokens === undefined) return {}
  const name = target.model.split('/').at(-1) ?? ''
  return /^(?:o\d|gpt-[5-9])/i.test(name) ? { max_completion_tokens: request.maxOutputTokens } : { max_tokens: request.maxOutputTokens }
}

const accountChecks: Readonly<Partial<Record<(typeof accountFields)[number], (value: unknown) => boolean>>> = {
  store: (value) => typeof value === 'boolean',
  metadata: (value) => isRecord(value) && Object.values(value).every((one) => typeof one === 'string'),
  service_tier: (value) => typeof value === 'string',
  prompt_cache_key: (value) => typeof value === 'string',
  prompt_cache_options: isRecord,
  prompt_cache_retention: (value) => typeof value === 'string',
  safety_identifier: (value) => typeof value === 'string',
  user: (value) => typeof value === 'string',
}

/** Account fields share names with other wires' but not always shapes: only what this wire would take is sent. */
function encodeAccount(account: CompletionRequest['account']): Readonly<Record<string, unknown>> {
  return Object.fromEntries(accountFields.filter((name) => accountChecks[name]?.(account[name])).map((name) => [name, account[name]]))
}

function isWebSearch(tool: Tool): boolean {
  return tool.type === 'hosted' && tool.family === 'web_search'
}

function encodeTool(tool: Tool): unknown {
  switch (tool.type) {
    case 'function':
      return {
        type: 'function',
        function: defined({ name: tool.name, description: tool.description, parameters: tool.schema, strict: tool.strict }),
      }
    case 'freeform':
      return {
        type: 'custom',
        custom: defined({
          name: tool.name,
          description: tool.description,
          format: tool.grammar === undefined ? undefined : { type: 'grammar', grammar: tool.grammar },
        }),
      }
    case 'hosted':
    case 'client-builtin':
      if (tool.wire === 'chat_completions') return tool.raw
      throw new RouteplaneError('unsupported_parameter', `the tool ${tool.family} does not exist on Chat Completions`, {
        details: { path: 'tools' },
      })
  }
}

function encodeToolChoice({ toolChoice, tools }: CompletionRequest): unknown {
  if (toolChoice === undefined) return undefined
  if (toolChoice.mode === 'tool') return namedTool(toolChoice.name, tools)
  if (toolChoice.allowed === undefined) return toolChoice.mode
  return {
    type: 'allowed_tools',
    allowed_tools: { mode: allowedMode(toolChoice), tools: toolChoice.allowed.map((name) => namedTool(name, tools)) },
  }
}

function allowedMode({ mode }: Exclude<ToolChoice, { mode: 'tool' }>): 'auto' | 'required' {
  return mode === 'required' ? 'required' : 'auto'
}

function namedTool(name: string, tools: readonly Tool[]): unknown {
  const isFreeform = tools.some((tool) => tool.type === 'freeform' && tool.name === name)
  return isFreeform ? { type: 'custom', custom: { name } } : { type: 'function', function: { name } }
}

/** This wire has no budgets: one becomes the effort whose usual budget it is. */
function encodeEffort(reasoning: ReasoningConfig | undefined): ReasoningEffort | undefined {
  if (reasoning?.effort !== undefined) return reasoning.effort
  const budget = reasoning?.budgetTokens
  if (budget === undefined) return undefined
  if (budget <= 1024) return 'low'
  if (budget <= 8192) return 'medium'
  return budget <= 24_576 ? 'high' : 'xhigh'
}

function encodeOutput(output: OutputFormat): unknown {
  switch (output.kind) {
    case 'text':
      return undefined
    case 'json':
      return { type: 'json_object' }
    case 'schema':
      return {
        type: 'json_schema',
        json_schema: defined({
          name: output.name ?? 'answer',
          description: output.description,
          schema: output.schema,
          strict: output.strict,
        }),
      }
    case 'enum':
      return {
        type: 'json_schema',
        json_schema: {
          name: 'answer',
          strict: true,
          schema: {
            type: 'object',
            properties: { value: { type: 'string', enum: output.values } },
            required: ['value'],
            additionalProperties: false,
          },
        },
      }
  }
}
