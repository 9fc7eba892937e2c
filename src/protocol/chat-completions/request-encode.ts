/** Encodes a neutral request as a Chat Completions body, with what that loses and what its answer needs. */
import type { CompletionRequest, ReasoningEffort } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { replayReasoning } from '../carrier.ts'
import { approximated, unsupported, type Loss, type LossFeature } from '../loss.ts'
import { openAiTraits, type OpenAiTraits } from '../openai-models.ts'
import { lowerOutput, type OpenAiFormat } from '../openai-schemas.ts'
import type { Encoded, UpstreamTarget } from '../protocol.ts'
import { budgetToEffort } from '../reasoning-effort.ts'
import { mapToolIds } from '../tool-ids.ts'
import { mapToolNames } from '../tool-names.ts'
import { lossesOfState, lossesOfUnknown } from '../unmodelled.ts'
import { encodeAccount } from './account-encode.ts'
import { encodeMessages } from './messages-encode.ts'
import { encodeTools } from './tools-encode.ts'

type Json = Readonly<Record<string, unknown>>

export const CHAT_PATH = '/chat/completions'

/** @see https://platform.openai.com/docs/api-reference/chat/create#chat_create-stop */
const MAX_STOPS = 4

/** Writes the request for an upstream. Nothing is thrown for what this wire cannot carry: it is a loss. */
export function encodeRequest(request: CompletionRequest, target: UpstreamTarget): Encoded {
  const losses: Loss[] = []
  const traits = openAiTraits(target.model)
  const names = mapToolNames(namesOf(request), 'openai')
  const ids = mapToolIds(idsOf(request), 'openai')
  const replay = replayReasoning(request.turns, identityOf(target))
  losses.push(...replay.losses)
  const messages = encodeMessages({ system: request.system, turns: replay.turns }, { losses, traits, names, ids })
  const freeform = new Set<string>()
  const { tools, choice, search } = encodeTools(request, { names, traits, losses, freeform })
  const output = lowerOutput(request)
  losses.push(...output.losses)
  const stops = encodeStops(request, traits, losses)
  const body = defined({
    model: target.model,
    messages,
    ...encodeLimit(request, traits),
    ...encodeSampling(request, traits, losses),
    n: request.candidates === 1 ? undefined : request.candidates,
    stop: stops.sent.length === 0 ? undefined : stops.sent,
    tools: tools.length === 0 ? undefined : tools,
    tool_choice: choice,
    parallel_tool_calls: tools.length === 0 ? undefined : request.parallelToolCalls,
    web_search_options: search,
    reasoning_effort: encodeEffort(request, losses),
    response_format: writeFormat(output.format),
    modalities: encodeModalities(request, losses),
    ...encodeAccount(request.account, traits, losses),
    ...(target.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  })
  losses.push(...lossesOfState(request), ...lossesOfUnknown(request, 'it has no place on Chat Completions'))
  const restore = defined({
    toolNames: names.restore.size === 0 ? undefined : names.restore,
    freeformTools: freeform.size === 0 ? undefined : freeform,
    stop: stops.cut.length === 0 ? undefined : stops.cut,
    candidates: request.candidates === 1 ? undefined : request.candidates,
    ...output.restore,
  })
  return { path: CHAT_PATH, body, losses, restore }
}

function identityOf({ provider, modelFamily }: UpstreamTarget): Parameters<typeof replayReasoning>[1] {
  return { wire: 'chat_completions', ...defined({ provider, modelFamily }) }
}

/** Every name of a tool that the request speaks of. */
function* namesOf({ tools, turns, toolChoice }: CompletionRequest): Generator<string> {
  for (const tool of tools) if (tool.type === 'function' || tool.type === 'freeform') yield tool.name
  for (const { parts } of turns) {
    for (const part of parts) {
      if (part.type === 'tool-call') yield part.name
      else if (part.type === 'tool-result' && part.name !== undefined) yield part.name
    }
  }
  if (toolChoice?.mode === 'tool') yield toolChoice.name
  else yield* toolChoice?.allowed ?? []
}

function* idsOf({ turns }: CompletionRequest): Generator<string> {
  for (const { parts } of turns) {
    for (const part of parts) {
      if (part.type === 'tool-call') yield part.id
      else if (part.type === 'tool-result') yield part.callId
    }
  }
}

/**
 * `max_tokens` is what every compatible server knows; the vendor's reasoning models take only its successor.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/create#chat_create-max_tokens
 */
function encodeLimit({ maxOutputTokens }: CompletionRequest, { own, reasons }: OpenAiTraits): Readonly<Record<string, number>> {
  if (maxOutputTokens === undefined) return {}
  return own && reasons ? { max_completion_tokens: maxOutputTokens } : { max_tokens: maxOutputTokens }
}

/** Parameters that compatible servers have added, and the vendor refuses. */
const added = ['top_k', 'min_p', 'top_a', 'repetition_penalty'] as const

function encodeSampling({ sampling }: CompletionRequest, traits: OpenAiTraits, losses: Loss[]): Json {
  const free = (name: 'temperature' | 'top_p', value: number | undefined): number | undefined => {
    if (value === undefined || value === 1 || !(traits.own && traits.reasons)) return value
    losses.push(unsupported(name, name, 'models that reason do not take it'))
    return undefined
  }
  const given: Readonly<Record<(typeof added)[number], number | undefined>> = {
    top_k: sampling.topK,
    min_p: sampling.minP,
    top_a: sampling.topA,
    repetition_penalty: sampling.repetitionPenalty,
  }
  const refused: readonly LossFeature[] = traits.own ? added.filter((name) => given[name] !== undefined) : []
  for (const name of refused) losses.push(unsupported(name, name, 'this vendor has no such parameter'))
  return defined({
    temperature: free('temperature', sampling.temperature),
    top_p: free('top_p', sampling.topP),
    ...(traits.own ? {} : given),
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    seed: sampling.seed,
    logit_bias: sampling.logitBias,
    logprobs: sampling.logprobs,
    top_logprobs: sampling.topLogprobs,
  })
}

type Stops = { readonly sent: readonly string[]; readonly cut: readonly string[] }

/** All are looked for by us when not all can be sent: which ones the upstream finds is its own affair. */
function encodeStops({ stop }: CompletionRequest, { stops }: OpenAiTraits, losses: Loss[]): Stops {
  const wanted = stop.filter((sequence) => sequence !== '')
  if (wanted.length === 0 || (stops && wanted.length <= MAX_STOPS)) return { sent: wanted, cut: [] }
  losses.push(approximated('stop', 'stop', 'the gateway cuts the answer at the sequences that the upstream does not take'))
  return { sent: stops ? wanted.slice(0, MAX_STOPS) : [], cut: wanted }
}

/** This wire has no budgets, and no word for what is shown of thoughts. */
function encodeEffort({ reasoning }: CompletionRequest, losses: Loss[]): ReasoningEffort | undefined {
  if (reasoning?.display !== undefined)
    losses.push(unsupported('reasoning.display', 'reasoning.display', 'the upstream decides what it shows of its thoughts'))
  if (reasoning?.effort !== undefined || reasoning?.budgetTokens === undefined) return reasoning?.effort
  losses.push(approximated('reasoning', 'reasoning.effort', 'the budget is named by the effort it usually stands for'))
  return budgetToEffort(reasoning.budgetTokens)
}

function writeFormat(format: OpenAiFormat): unknown {
  switch (format.kind) {
    case 'text':
      return undefined
    case 'json':
      return { type: 'json_object' }
    case 'schema': {
      const { kind: _, ...schema } = format
      return { type: 'json_schema', json_schema: schema }
    }
  }
}

/** Speech needs a voice, which no other wire names. */
function encodeModalities({ outputModalities: asked }: CompletionRequest, losses: Loss[]): readonly string[] | undefined {
  if (asked.join() === 'text') return undefined
  if (asked.includes('audio')) losses.push(unsupported('modalities', 'output_modalities', 'the voice to speak with is not known'))
  return asked
}
