/** Encodes a neutral request as a Responses body. */
import type { CompletionRequest, ReasoningConfig, ReasoningEffort } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import { openAiTraits, type OpenAiTraits } from '../openai-models.ts'
import { lowerOutput, type LoweredOutput } from '../openai-schemas.ts'
import type { Encoded, UpstreamTarget } from '../protocol.ts'
import { budgetToEffort } from '../reasoning-effort.ts'
import type { Restore } from '../restore.ts'
import { mapToolNames } from '../tool-names.ts'
import { lossesOfState, lossesOfUnknown } from '../unmodelled.ts'
import { encodeAccount } from './account-encode.ts'
import { RESPONSES_PATH } from './forward.ts'
import { encodeItems } from './items-encode.ts'
import { lossesOfSampling, NO_PLACE } from './losses.ts'
import { encodeTools, type ToolWork } from './tool-list-encode.ts'

type Json = Readonly<Record<string, unknown>>
/** A piece of the body with what it costs. */
type Piece = { readonly fields: Json; readonly losses: readonly Loss[] }

/** The least that the vendor takes for `max_output_tokens`. */
export const MIN_OUTPUT_TOKENS = 16

/** Writes the request for an upstream. What it cannot say is in `losses`; a refused one means that the body must not be sent. */
export function encodeRequest(request: CompletionRequest, target: UpstreamTarget): Encoded {
  const traits = openAiTraits(target.model)
  const names = mapToolNames(namesIn(request), 'openai')
  const conversation = encodeItems(request, {
    toWire: names.toWire,
    takesCacheMarks: traits.cacheMarks,
    takesFreeform: traits.customTools,
    replay: { wire: 'responses', ...defined({ provider: target.provider, modelFamily: target.modelFamily }) },
  })
  const work: ToolWork = { names, traits, losses: [], wrapped: new Set() }
  const tools = encodeTools(request, work)
  const output = lowerOutput(request)
  const pieces = [encodeReasoning(request.reasoning), encodeSampling(request, traits), encodeLimit(request)]
  const account = encodeAccount(request.account)
  const include = includesOf(request)
  const body = defined({
    model: target.model,
    input: conversation.items,
    tools: tools.tools.length === 0 ? undefined : tools.tools,
    tool_choice: tools.choice,
    parallel_tool_calls: request.parallelToolCalls,
    text: encodeFormat(output),
    ...Object.assign({}, ...pieces.map(({ fields }) => fields)),
    include: include.length === 0 ? undefined : include,
    ...account.fields,
    stream: target.stream ? true : undefined,
  })
  const losses = [
    ...[conversation, work, output, ...pieces, account].flatMap((piece) => piece.losses),
    ...(stopsOf(request).length === 0 ? [] : [approximated('stop', 'stop', 'the gateway cuts the answer at the sequence')]),
    ...lossesOfSampling(request),
    ...lossesOfState(request),
    ...lossesOfUnknown(request, NO_PLACE),
  ]
  const isRaised = request.maxOutputTokens !== undefined && request.maxOutputTokens < MIN_OUTPUT_TOKENS
  return {
    path: RESPONSES_PATH,
    body,
    losses,
    restore: { ...output.restore, ...restoreOf(request, work) },
    ...(isRaised ? { maxOutputTokens: MIN_OUTPUT_TOKENS } : {}),
  }
}

/** An empty sequence would stop before the first word: no server takes it for one. */
function stopsOf({ stop }: CompletionRequest): readonly string[] {
  return stop.filter((sequence) => sequence !== '')
}

function restoreOf(request: CompletionRequest, { names, wrapped }: ToolWork): Restore {
  const stop = stopsOf(request)
  return {
    ...(names.restore.size === 0 ? {} : { toolNames: names.restore }),
    ...(wrapped.size === 0 ? {} : { freeformTools: wrapped }),
    ...(stop.length === 0 ? {} : { stop }),
  }
}

/** `strict` is always said, because leaving it out does not mean the same on every server. */
function encodeFormat({ format }: LoweredOutput): Json | undefined {
  switch (format.kind) {
    case 'text':
      return undefined
    case 'json':
      return { format: { type: 'json_object' } }
    case 'schema': {
      const { kind: _, strict = false, ...rest } = format
      return { format: { type: 'json_schema', ...rest, strict } }
    }
  }
}

/** Every name of a tool that the request speaks of. */
function namesIn({ tools, turns, toolChoice }: CompletionRequest): readonly string[] {
  const declared = tools.flatMap((tool) => (tool.type === 'function' || tool.type === 'freeform' ? [tool.name] : []))
  const called = turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])))
  const isDeclared = (name: string): boolean => declared.includes(name)
  const chosen = toolChoice?.mode === 'tool' ? [toolChoice.name] : (toolChoice?.allowed ?? [])
  return [...declared, ...called, ...chosen.filter(isDeclared)]
}

function includesOf({ account, sampling, reasoning }: CompletionRequest): readonly string[] {
  const given = Array.isArray(account['include']) ? account['include'].filter((name) => typeof name === 'string') : []
  const thinks = reasoning !== undefined && reasoning.effort !== 'none'
  const wanted = [
    ...given,
    ...(sampling.logprobs === true ? ['message.output_text.logprobs'] : []),
    // Nothing is stored, so that the next turn can only bring the thoughts along itself.
    ...(thinks ? ['reasoning.encrypted_content'] : []),
  ]
  return [...new Set(wanted)]
}

function encodeLimit({ maxOutputTokens: limit }: CompletionRequest): Piece {
  if (limit === undefined) return { fields: {}, losses: [] }
  if (limit >= MIN_OUTPUT_TOKENS) return { fields: { max_output_tokens: limit }, losses: [] }
  const loss = approximated('max_tokens', 'max_tokens', `${MIN_OUTPUT_TOKENS} is the least that Responses takes`)
  return { fields: { max_output_tokens: MIN_OUTPUT_TOKENS }, losses: [loss] }
}

/** Models that reason take no other temperature than their own. */
function encodeSampling({ sampling }: CompletionRequest, { reasons }: OpenAiTraits): Piece {
  const losses: Loss[] = []
  const free = (name: 'temperature' | 'top_p', value: number | undefined): number | undefined => {
    if (value === undefined || !reasons || value === 1) return value
    losses.push(unsupported(name, name, 'models that reason do not take it'))
    return undefined
  }
  const fields = defined({
    temperature: free('temperature', sampling.temperature),
    top_p: free('top_p', sampling.topP),
    top_logprobs: sampling.logprobs === true ? sampling.topLogprobs : undefined,
  })
  return { fields, losses }
}

/** This wire has no budgets: one becomes the effort whose usual budget it is. */
function encodeReasoning(reasoning: ReasoningConfig | undefined): Piece {
  if (reasoning === undefined) return { fields: {}, losses: [] }
  const losses: Loss[] = []
  let effort: ReasoningEffort | undefined = reasoning.effort
  if (effort === undefined && reasoning.budgetTokens !== undefined) {
    effort = budgetToEffort(reasoning.budgetTokens)
    losses.push(approximated('reasoning', 'reasoning.effort', 'the budget is named by the effort it usually stands for'))
  }
  const wantsSummary = reasoning.display === 'summarized' || reasoning.display === 'full'
  if (reasoning.display === 'full') losses.push(approximated('reasoning', 'reasoning.display', 'only summaries are shown'))
  const value = defined({ effort, summary: wantsSummary ? ('auto' as const) : undefined })
  return { fields: Object.keys(value).length === 0 ? {} : { reasoning: value }, losses }
}
