/** Writes the response object, with every member that any client's parser demands. */
import type { CompletionRequest, OutputFormat } from '../../completion/request.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import type { EncodeContext } from '../protocol.ts'
import { echoTool, encodeToolChoice } from './tools-encode.ts'
import { encodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** What changes while a response comes. */
export type ResponseFacts = {
  readonly id: string
  readonly model: string
  readonly createdSeconds: number
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed'
  readonly output: readonly Json[]
  readonly usage?: Usage | undefined
  readonly error?: Json
  readonly incompleteReason?: string
}

/**
 * Writes a response. Open Responses wants every member to be there, and takes `null` in fewer places than OpenAI does.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export function encodeResponse(facts: ResponseFacts, context: EncodeContext): Json {
  return {
    id: facts.id,
    object: 'response',
    created_at: facts.createdSeconds,
    completed_at: facts.status === 'completed' ? Math.max(context.nowSeconds, facts.createdSeconds) : null,
    status: facts.status,
    error: facts.error ?? null,
    incomplete_details: facts.incompleteReason === undefined ? null : { reason: facts.incompleteReason },
    model: facts.model,
    output: facts.output,
    usage: encodeUsage(facts.usage),
    ...echoRequest(context.request, context.stored ?? false),
  }
}

/** The request as its answer repeats it; defaults are those of the reference. */
function echoRequest(request: CompletionRequest, stored: boolean): Json {
  const { account, sampling, state, toolChoice, tools } = request
  return {
    instructions: null,
    previous_response_id: state['previous_response_id'] ?? null,
    max_output_tokens: request.maxOutputTokens ?? null,
    max_tool_calls: null,
    parallel_tool_calls: request.parallelToolCalls ?? true,
    tool_choice: toolChoice === undefined ? 'auto' : encodeToolChoice(toolChoice, tools, (name) => name),
    tools: tools.map(echoTool),
    temperature: sampling.temperature ?? 1,
    top_p: sampling.topP ?? 1,
    presence_penalty: sampling.presencePenalty ?? 0,
    frequency_penalty: sampling.frequencyPenalty ?? 0,
    top_logprobs: sampling.topLogprobs ?? 0,
    text: { format: echoFormat(request.output) },
    reasoning: { effort: request.reasoning?.effort ?? null, summary: null },
    store: stored,
    background: false,
    service_tier: typeof account['service_tier'] === 'string' ? account['service_tier'] : 'default',
    truncation: account['truncation'] === 'auto' ? 'auto' : 'disabled',
    metadata: isRecord(account['metadata']) ? account['metadata'] : {},
    safety_identifier: textOrNull(account['safety_identifier']),
    prompt_cache_key: textOrNull(account['prompt_cache_key']),
    user: textOrNull(account['user']),
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** Writes the format of an output as `text.format` has it. */
export function echoFormat(output: OutputFormat): Json {
  switch (output.kind) {
    case 'text':
    case 'enum':
      return { type: 'text' }
    case 'json':
      return { type: 'json_object' }
    case 'schema':
      return {
        type: 'json_schema',
        name: output.name ?? 'answer',
        description: output.description ?? null,
        schema: output.schema,
        strict: output.strict ?? false,
      }
  }
}
