/** Encodes a neutral request as a generateContent body, with what that loses and what must be undone on the answer. */
import type { CompletionRequest, Sampling } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { approximated, omitted, refusal, unsupported, type Loss } from '../loss.ts'
import type { Encoded, UpstreamTarget } from '../protocol.ts'
import type { Restore } from '../restore.ts'
import { mapToolNames } from '../tool-names.ts'
import { lossesOfUnknown } from '../unmodelled.ts'
import { encodeAccount, encodeState } from './account-encode.ts'
import { encodeContents } from './contents-encode.ts'
import { traitsOf } from './generation.ts'
import { encodeOutput, type EncodedOutput } from './output-encode.ts'
import { pathOf } from './path.ts'
import { encodeThinking } from './thinking-encode.ts'
import { callableTools, encodeTools } from './tools-encode.ts'

type Json = Readonly<Record<string, unknown>>

/** @see https://ai.google.dev/api/generate-content#generationconfig, `stopSequences` */
const MAX_STOPS = 5

/**
 * Writes the request for an upstream. Nothing is thrown for what this wire cannot carry: it is a loss, and a refused one
 * tells the planner to go elsewhere.
 */
export function encodeRequest(request: CompletionRequest, target: UpstreamTarget): Encoded {
  const losses: Loss[] = []
  const traits = traitsOf(target.model)
  const names = mapToolNames(namesOf(request), 'google')
  const tools = encodeTools(request, { names, traits, losses })
  const output = encodeOutput(request, { traits, losses })
  const { contents, systemInstruction, mediaResolution } = encodeContents(request, {
    issuer: issuerOf(target),
    names,
    traits,
    losses,
    extra: output.instruction,
  })
  const body = defined({
    contents,
    systemInstruction,
    tools: tools.tools,
    toolConfig: tools.toolConfig,
    generationConfig: nonEmpty({
      ...encodeSampling(request.sampling, losses),
      ...encodeLimits(request, losses),
      ...output.config,
      responseModalities: encodeModalities(request),
      thinkingConfig: encodeThinking(request.reasoning, traits, losses),
      mediaResolution,
    }),
    ...encodeAccount(request.account, losses),
    ...encodeState(request.state, losses),
  })
  losses.push(...lossesOfUnknown(request, 'the field has no meaning on this wire'))
  return { path: pathOf(target.model, target.stream), body, losses, restore: restoreOf(request, names.restore, output) }
}

function issuerOf({ provider, modelFamily }: UpstreamTarget): { readonly provider?: string; readonly modelFamily?: string } {
  return defined({ provider, modelFamily })
}

/** Every name the request calls a tool by, in declarations, history and choice. */
function namesOf(request: CompletionRequest): readonly string[] {
  const { toolChoice: choice } = request
  const chosen = choice === undefined ? [] : choice.mode === 'tool' ? [choice.name] : (choice.allowed ?? [])
  const called = request.turns.flatMap(({ parts }) =>
    parts.flatMap((part) => {
      if (part.type === 'tool-call') return [part.name]
      return part.type === 'tool-result' && part.name !== undefined ? [part.name] : []
    }),
  )
  return [...callableTools(request.tools).map(({ name }) => name), ...called, ...chosen]
}

function nonEmpty(members: Json): Json | undefined {
  const given = defined(members)
  return Object.keys(given).length === 0 ? undefined : given
}

/** Seeds are 32-bit here. */
const MAX_SEED = 2_147_483_647

function encodeSampling(sampling: Sampling, losses: Loss[]): Json {
  const { seed, logitBias } = sampling
  const isSeed = seed === undefined || (Number.isInteger(seed) && Math.abs(seed) <= MAX_SEED)
  if (!isSeed) losses.push(omitted('seed', 'seed', 'seeds are 32-bit whole numbers on this wire'))
  if (sampling.minP !== undefined) losses.push(unsupported('min_p', 'min_p', 'this wire has no min_p'))
  if (sampling.topA !== undefined) losses.push(unsupported('top_a', 'top_a', 'this wire has no top_a'))
  if (sampling.repetitionPenalty !== undefined)
    losses.push(unsupported('repetition_penalty', 'repetition_penalty', 'this wire has no repetition penalty'))
  if (logitBias !== undefined && Object.keys(logitBias).length > 0)
    losses.push(unsupported('logit_bias', 'logit_bias', 'this wire cannot weigh single tokens'))
  return {
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK: sampling.topK,
    presencePenalty: sampling.presencePenalty,
    frequencyPenalty: sampling.frequencyPenalty,
    seed: isSeed ? seed : undefined,
    responseLogprobs: sampling.logprobs,
    logprobs: sampling.logprobs === true ? sampling.topLogprobs : undefined,
  }
}

function encodeLimits(request: CompletionRequest, losses: Loss[]): Json {
  const { stop, candidates, maxOutputTokens } = request
  if (stop.length > MAX_STOPS)
    losses.push(approximated('stop', 'stop', `this wire takes ${MAX_STOPS} stop sequences; the others are cut off here`))
  if (maxOutputTokens === 0) losses.push(refusal('max_tokens', 'max_tokens', 'this wire cannot be asked for no output at all'))
  return {
    maxOutputTokens,
    stopSequences: stop.length === 0 ? undefined : stop.slice(0, MAX_STOPS),
    candidateCount: candidates === 1 ? undefined : candidates,
  }
}

function encodeModalities({ outputModalities }: CompletionRequest): readonly string[] | undefined {
  return outputModalities.join() === 'text' ? undefined : outputModalities.map((modality) => modality.toUpperCase())
}

function restoreOf(request: CompletionRequest, toolNames: ReadonlyMap<string, string>, output: EncodedOutput): Restore {
  const freeform = request.tools.flatMap((tool) => (tool.type === 'freeform' ? [tool.name] : []))
  return defined({
    toolNames: toolNames.size === 0 ? undefined : toolNames,
    freeformTools: freeform.length === 0 ? undefined : new Set(freeform),
    // All of them: which ones the upstream looks for is its own affair, and a second cut changes nothing.
    stop: request.stop.length > MAX_STOPS ? request.stop : undefined,
    candidates: request.candidates === 1 ? undefined : request.candidates,
    dropParallel: request.parallelToolCalls === false ? true : undefined,
    ...output.restore,
  })
}
