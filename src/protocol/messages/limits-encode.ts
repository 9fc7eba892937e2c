/** Encodes limits, sampling and bookkeeping for Messages, and reports what of them it does not have. */
import type { CompletionRequest, Sampling } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { approximated, omitted, refusal, unsupported, type Loss, type LossFeature } from '../loss.ts'
import type { UpstreamTarget } from '../protocol.ts'
import { featureOf, lossesOfUnknown } from '../unmodelled.ts'
import type { ModelTraits } from './model-traits.ts'
import { stateFields } from './modelled.ts'

type Json = Readonly<Record<string, unknown>>

/** What every model of this wire since its third generation takes; used where neither the caller nor the record says. */
const COMMON_LIMIT = 8_192

/** The wire demands a limit; a model refuses one above its own. */
export function encodeLimit({ maxOutputTokens, state }: CompletionRequest, target: UpstreamTarget, losses: Loss[]): number {
  if (state['max_tokens'] === '0') return 0
  const most = target.maxOutputTokens
  if (maxOutputTokens === undefined) {
    // The model's own limit is what no limit means.
    if (most !== undefined) return most
    losses.push(approximated('max_tokens', 'max_tokens', `the wire demands a limit, and ${COMMON_LIMIT} is set`))
    return COMMON_LIMIT
  }
  if (most === undefined || maxOutputTokens <= most) return maxOutputTokens
  losses.push(approximated('max_tokens', 'max_tokens', `the model writes at most ${most} tokens`))
  return most
}

/** A sequence of white space alone is refused: the answer is cut at it here. */
export function encodeStops(
  { stop }: CompletionRequest,
  losses: Loss[],
): { readonly sent: readonly string[]; readonly cut: readonly string[] } {
  const sent = stop.filter((sequence) => sequence.trim() !== '')
  const cut = stop.filter((sequence) => sequence.trim() === '' && sequence !== '')
  if (cut.length > 0) losses.push(approximated('stop', 'stop', 'the answer is cut at sequences of white space by the gateway'))
  return { sent, cut }
}

/** Temperatures run from 0 to 1 here; the newest models, and thinking ones, take none, and nobody takes two kinds at once. */
export function encodeSampling({ sampling }: CompletionRequest, traits: ModelTraits, thinks: boolean, losses: Loss[]): Json {
  const { temperature, topP, topK } = sampling
  const given = defined({ temperature, top_p: topP, top_k: topK })
  if (!traits.sampling || thinks) {
    const who = traits.sampling ? 'a model that thinks' : 'this model'
    for (const name of Object.keys(given)) losses.push(omitted(name, name as LossFeature, `${who} takes no ${name}`))
    return {}
  }
  if (temperature !== undefined && temperature > 1)
    losses.push(approximated('temperature', 'temperature', 'the highest temperature of this wire is 1'))
  if (temperature !== undefined && topP !== undefined)
    losses.push(omitted('top_p', 'top_p', 'the temperature alone is set, because only one of the two is taken'))
  return defined({
    temperature: temperature === undefined ? undefined : Math.min(1, temperature),
    top_p: temperature === undefined ? topP : undefined,
    top_k: topK,
  })
}

const samplingFeatures = {
  minP: 'min_p',
  topA: 'top_a',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  repetitionPenalty: 'repetition_penalty',
  seed: 'seed',
  logitBias: 'logit_bias',
} as const satisfies Partial<Record<keyof Sampling, LossFeature>>

/** Reports what of a request has no place on this wire, whichever model is asked. */
export function reportUnsupported(request: CompletionRequest, losses: Loss[]): void {
  const { sampling, candidates, outputModalities } = request
  for (const [field, feature] of Object.entries(samplingFeatures)) {
    if (isAsked(field, sampling[field as keyof Sampling])) losses.push(unsupported(feature, feature, `Messages has no ${feature}`))
  }
  if (sampling.logprobs === true || (sampling.topLogprobs ?? undefined) !== undefined)
    losses.push(unsupported('logprobs', 'logprobs', 'Messages gives no probabilities'))
  if (candidates > 1) losses.push(unsupported('n', 'candidates', 'Messages gives one answer'))
  for (const modality of outputModalities) {
    if (modality !== 'text') losses.push(unsupported('modalities', 'output_modalities', `Messages gives no ${modality}`))
  }
  losses.push(...lossesOfUnknown(request, 'the field is not known here'))
}

/** A penalty of nothing asks for nothing. */
function isAsked(field: string, value: unknown): boolean {
  if (value === undefined) return false
  return !(value === 0 && (field === 'frequencyPenalty' || field === 'presencePenalty'))
}

const MAX_USER_CHARACTERS = 256

/** Encodes bookkeeping. A faster tier is never asked for: it costs more than was agreed to. */
export function encodeAccount({ account }: CompletionRequest, losses: Loss[]): Json {
  const written: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(account)) {
    switch (name) {
      case 'metadata':
        if (isRecord(value) && typeof value['user_id'] === 'string') written['metadata'] = { user_id: value['user_id'] }
        if (!isRecord(value) || Object.keys(value).some((key) => key !== 'user_id')) losses.push(hintLoss(name, 'metadata'))
        break
      case 'user':
      case 'safety_identifier':
        if (typeof value === 'string' && value.length <= MAX_USER_CHARACTERS) written['metadata'] ??= { user_id: value }
        losses.push(approximated(name, 'user', 'it is given as metadata.user_id'))
        break
      case 'service_tier':
        encodeTier(written, value, losses)
        break
      case 'inference_geo':
        written['inference_geo'] = value
        break
      case 'store':
        if (value === true) losses.push(unsupported(name, 'store', 'Messages keeps no answers'))
        break
      // What more an answer shall hold is said there, of which this wire gives all that it has.
      case 'include':
        break
      case 'stream_options':
        if (isRecord(value) && value['include_obfuscation'] !== undefined) losses.push(hintLoss(name, 'obfuscation'))
        break
      default:
        losses.push(hintLoss(name, featureOf(name)))
    }
  }
  return written
}

function hintLoss(name: string, feature: LossFeature): Loss {
  return unsupported(name, feature, `Messages has no ${name} like it`)
}

function encodeTier(written: Record<string, unknown>, value: unknown, losses: Loss[]): void {
  if (value === 'auto' || value === 'standard_only') written['service_tier'] = value
  else if (value === 'default' || value === 'standard') written['service_tier'] = 'standard_only'
  else losses.push(hintLoss('service_tier', 'service_tier'))
}

/** What a vendor keeps on its own servers can only be gone on from there. */
export function encodeState({ state }: CompletionRequest, losses: Loss[]): Json {
  const written: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(state)) {
    if (name === 'max_tokens') continue
    const parsed = stateFields.some((own) => own === name) ? tryParseJson(value) : undefined
    // Another wire has a field of this name, with a list in it.
    if (parsed !== undefined && !(name === 'context_management' && !isRecord(parsed))) written[name] = parsed
    else
      losses.push(
        refusal(name, featureOf(name) === 'context_management' ? 'context_management' : 'state', 'only its own vendor can go on from it'),
      )
  }
  return written
}
