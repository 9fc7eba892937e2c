/** A gateway call of one text prompt, as the command line asks it. */
import { bareRequest } from '../completion/bare-request.ts'
import type { Needs } from '../completion/features.ts'
import type { CompletionRequest } from '../completion/request.ts'
import type { GatewayCall } from '../gateway/call.ts'
import type { Usd } from '../money.ts'

export type TextQuestion = {
  readonly id: string
  readonly model: string
  readonly prompt: string
  readonly maxOutputTokens?: number
  readonly maxCostUsd?: Usd
  readonly signal: AbortSignal
}

/** Tokens a chat wire adds around one message; generous, since the bound may only err upwards. */
const ENVELOPE_TOKENS = 64

/** Bytes of text for each token, in the mean over the languages models are trained on; only ranks, never caps. */
const BYTES_PER_TOKEN = 4

/** Makes the call a surface would make of this question, without a wire to answer in. */
export function textCall({ id, model, prompt, maxOutputTokens, maxCostUsd, signal }: TextQuestion): GatewayCall {
  const limit = maxOutputTokens === undefined ? {} : { maxOutputTokens }
  const request: CompletionRequest = { ...bareRequest(model, [{ type: 'text', text: prompt }]), ...limit }
  return {
    id,
    caller: 'local',
    read: { model, needs: needsOf(prompt, limit), extensions: maxCostUsd === undefined ? {} : { maxCostUsd } },
    decode: () => request,
    signal,
  }
}

/** A token is at least one byte, so the bytes bound the tokens. */
function needsOf(prompt: string, limit: { readonly maxOutputTokens?: number }): Needs {
  const bytes = Buffer.byteLength(prompt)
  return {
    features: [],
    samplingParameters: limit.maxOutputTokens === undefined ? [] : ['max_tokens'],
    inputModalities: ['text'],
    outputModalities: ['text'],
    maxInputTokens: bytes + ENVELOPE_TOKENS,
    expectedInputTokens: Math.ceil(bytes / BYTES_PER_TOKEN),
    ...limit,
    images: 0,
    candidates: 1,
    stream: false,
  }
}
