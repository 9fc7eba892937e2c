/** Turns the arguments of `complete` into a call of the gateway. */
import * as z from 'zod'
import type { Needs } from '../completion/features.ts'
import type { CompletionRequest, Turn } from '../completion/request.ts'
import { RouteplaneError } from '../errors.ts'
import type { GatewayCall } from '../gateway/call.ts'
import { createId } from '../lib/id.ts'
import { parseCap, paymentModes, usdCap } from './schema.ts'
import type { ToolContext } from './tool.ts'
import { describeStep } from './progress.ts'

/** Characters of all texts together; a line of the stdio transport ends at ten megabytes. */
const MAX_CHARACTERS = 1_000_000

const message = z.strictObject({ role: z.enum(['user', 'assistant', 'system']), content: z.string() })

export const completionInput = z.strictObject({
  model: z
    .string()
    .min(1)
    .max(300)
    .optional()
    .describe(
      'An id from list_models, "provider:model" for one provider, with ":cost", ":latency" or ":throughput" to rank by it, or "@preset". May be left out when a preset is active.',
    ),
  prompt: z.string().min(1).max(MAX_CHARACTERS).optional().describe('One user message. Give this or messages.'),
  messages: z.array(message).min(1).max(1_000).optional().describe('The conversation, oldest first. Give this or prompt.'),
  system: z.string().max(MAX_CHARACTERS).optional().describe('Instructions that stand above the conversation.'),
  max_output_tokens: z.int().min(1).max(10_000_000).optional().describe('Upper limit of the answer; a lower one lowers what is held.'),
  max_cost_usd: usdCap
    .optional()
    .describe('The most this call may cost in US dollars, like "0.05". Can only lower the caps of the operator, never raise them.'),
  clamp_to_budget: z.boolean().optional().describe('Shorten the answer to what the cap buys, and say so, instead of refusing.'),
  payment: z.array(z.enum(paymentModes)).min(1).max(4).optional().describe('Ways to pay, most preferred first.'),
  idempotency_key: z
    .string()
    .optional()
    .describe('Your name for this call. The same key with the same arguments returns the first answer and is never paid twice.'),
  dry_run: z.boolean().optional().describe('Only say who would answer and what it would cost. Sends nothing, spends nothing.'),
})

type Arguments = z.output<typeof completionInput>

/** @throws RouteplaneError `invalid_request`, `invalid_max_cost`, `invalid_idempotency_key`. */
export function toGatewayCall(input: Arguments, { caller, connection, clock, signal, report, approve, sell }: ToolContext): GatewayCall {
  const model = input.model ?? activeModel(connection.activePreset)
  const request = toRequest(input, model)
  const preset = model.startsWith('@') ? undefined : connection.activePreset
  return {
    id: createId('req', clock.now()),
    caller: caller.id,
    ...(caller.models === undefined ? {} : { models: caller.models }),
    read: {
      model,
      needs: toNeeds(request),
      extensions: {
        ...(input.max_cost_usd === undefined ? {} : { maxCostUsd: parseCap(input.max_cost_usd) }),
        ...(input.clamp_to_budget === undefined ? {} : { clampToBudget: input.clamp_to_budget }),
        ...(input.payment === undefined ? {} : { paymentPrefer: input.payment }),
        ...(preset === undefined ? {} : { preset }),
        ...(input.idempotency_key === undefined ? {} : { idempotencyKey: checkKey(input.idempotency_key) }),
      },
    },
    decode: () => request,
    signal,
    // The steps tell of our own payments, and our own approvals are no business of a caller who pays.
    ...(approve === undefined || sell !== undefined ? {} : { approve }),
    ...(report === undefined || sell !== undefined ? {} : { onProgress: (step) => report(describeStep(step)) }),
  }
}

function activeModel(preset: string | undefined): string {
  if (preset !== undefined) return `@${preset}`
  throw new RouteplaneError('invalid_request', 'model is missing', {
    hint: 'Take an id from list_models, or activate a preset with set_preset.',
  })
}

/** Streamed always: a whole answer would leave us, and the client's patience, without a sign of life until its end. */
function toRequest(input: Arguments, model: string): CompletionRequest {
  const turns = toTurns(input)
  const system = input.system === undefined ? [] : [{ text: input.system, role: 'system' as const }]
  if (textsOf({ system, turns }).reduce((sum, text) => sum + text.length, 0) > MAX_CHARACTERS) {
    throw new RouteplaneError('invalid_request', `the texts together are longer than ${MAX_CHARACTERS} characters`)
  }
  return {
    model,
    system,
    turns,
    tools: [],
    sampling: {},
    ...(input.max_output_tokens === undefined ? {} : { maxOutputTokens: input.max_output_tokens }),
    stop: [],
    candidates: 1,
    output: { kind: 'text' },
    outputModalities: ['text'],
    stream: true,
    state: {},
    account: {},
    unknown: [],
  }
}

function toTurns({ prompt, messages }: Arguments): readonly Turn[] {
  if ((prompt === undefined) === (messages === undefined)) {
    throw new RouteplaneError('invalid_request', 'give either prompt or messages')
  }
  const turns = messages ?? [{ role: 'user' as const, content: prompt ?? '' }]
  return turns.map(({ role, content }) => ({ role, parts: [{ type: 'text', text: content }] }))
}

/** Tokens that templates put around each message, and around the whole, at the most. */
const FRAME_TOKENS = 64

/** No tokenizer makes more tokens of a text than it has bytes, so bytes plus the frames are a bound on any model. */
function toNeeds(request: CompletionRequest): Needs {
  const texts = textsOf(request)
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  return {
    features: [],
    samplingParameters: request.maxOutputTokens === undefined ? [] : ['max_tokens'],
    inputModalities: ['text'],
    outputModalities: ['text'],
    maxInputTokens: bytes + FRAME_TOKENS * (texts.length + 1),
    expectedInputTokens: Math.ceil(bytes / 4) + texts.length,
    ...(request.maxOutputTokens === undefined ? {} : { maxOutputTokens: request.maxOutputTokens }),
    images: 0,
    candidates: 1,
    stream: true,
  }
}

function textsOf({ system, turns }: Pick<CompletionRequest, 'system' | 'turns'>): readonly string[] {
  const spoken = turns.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : '')))
  return [...system.map(({ text }) => text), ...spoken]
}

const KEY = /^[\u0021-\u007e]{1,255}$/

function checkKey(key: string): string {
  if (KEY.test(key)) return key
  throw new RouteplaneError('invalid_idempotency_key', 'idempotency_key must be 1 to 255 visible ASCII characters')
}
