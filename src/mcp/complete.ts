/** The tool `complete`: has a model answer, pays for it within the caps, and says what was paid. */
import * as z from 'zod'
import type { CompletionPart, PartStream } from '../completion/part.ts'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Caller, Completion, CompletionSummary, Decision, GatewayCall } from '../gateway/call.ts'
import { type Usd, formatUsd } from '../money.ts'
import type { Status } from '../routeplane.ts'
import { completionInput, toGatewayCall } from './completion-call.ts'
import { settlementMeta } from './payment.ts'
import { watchText } from './progress.ts'
import { receiptUri } from './receipts-resource.ts'
import { type ToolContext, defineTool } from './tool.ts'
import { BrokenAnswer } from './tool-result.ts'

const cap = z.object({
  scope: z.string(),
  window: z.string(),
  cap_usd: z.string(),
  available_usd: z.string(),
  resets_at: z.string().optional(),
})
const quoted = { bound_usd: z.string().optional(), expected_usd: z.string().optional(), warnings: z.array(z.string()).optional() }

const output = z.object({
  request_id: z.string().optional(),
  text: z.string().optional(),
  refusal: z.string().optional().describe('What the model said when it declined to answer.'),
  finish_reason: z.string().optional(),
  provider: z.string().optional(),
  model: z.string().optional(),
  model_served: z.string().optional().describe('What the provider says it served.'),
  usage: z
    .object({
      input_tokens: z.int().optional(),
      output_tokens: z.int().optional(),
      cache_read_tokens: z.int().optional(),
      cache_write_tokens: z.int().optional(),
      reasoning_tokens: z.int().optional(),
      origin: z.string(),
    })
    .optional(),
  quoted_usd: z
    .string()
    .optional()
    .describe('What was known of the cost before the answer; in a dry run the most the first attempt can cost.'),
  cost_usd: z.string().optional().describe('What the answer costs by its usage and the price list.'),
  paid_usd: z.string().optional().describe('What the wallet has paid; absent while that is not known.'),
  payment_mode: z.string().optional(),
  payment_status: z.string().optional(),
  receipt_id: z.string().optional(),
  transaction: z.string().optional(),
  caps_left: z.array(cap).optional(),
  attempts: z.int().optional(),
  warnings: z.array(z.string()).optional(),
  dry_run: z.boolean().optional(),
  cap_usd: z.string().optional().describe('Dry run: the cap that would hold for the request.'),
  plan: z
    .array(z.object({ endpoint: z.string(), payment_mode: z.string(), ...quoted, needs_approval: z.boolean().optional() }))
    .optional()
    .describe('Dry run: who would be tried, in order, with what the answer would warn of.'),
  resolved: z.array(z.string()).optional().describe('Dry run: the models that were asked for, in order.'),
  failure: z.object({ code: z.string(), message: z.string() }).optional().describe('Dry run: what the call itself would be refused with.'),
  refused: z
    .array(z.object({ endpoint: z.string(), model: z.string(), reason: z.string(), detail: z.string() }))
    .optional()
    .describe('Dry run: who cannot answer this request, and why.'),
})

export const complete = defineTool({
  name: 'complete',
  title: 'Complete with a model',
  description:
    "Sends a prompt to a model and returns its answer. This spends money: the operator's caps hold, and max_cost_usd lowers them for one call. Use dry_run to see the price first. An error with money other than untouched or held must not be repeated blindly: look at its hint.",
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  audience: 'anybody',
  input: completionInput,
  output,
  call: async (input, context) => {
    const call = toGatewayCall(input, context)
    const { sell } = context
    if (sell !== undefined) return answerSold(call, await askToSell(sell, call, input.dry_run === true), context)
    if (input.dry_run === true) return showDecision(await context.routeplane.explain(call), context.caller)
    const completion = await context.routeplane.complete(call)
    const { said, summary } = await hear(completion, context)
    return showAnswer(call, completion, summary, said, await capsLeft(context, completion))
  },
  links: ({ receipt_id: id }) => (id === undefined ? [] : [{ uri: receiptUri(id), name: id, description: 'The receipt of this payment.' }]),
})

type Answer = { text: string; refusal: string }

type Heard = { readonly said: Answer; readonly summary: CompletionSummary }

async function hear(completion: Completion, context: ToolContext): Promise<Heard> {
  const said: Answer = { text: '', refusal: '' }
  try {
    if (completion.answer.lane !== 'translate') throw new RouteplaneError('internal', 'the gateway answered in a wire nobody asked for')
    await read(completion.answer.parts, said, context)
  } catch (thrown) {
    throw new BrokenAnswer(toRouteplaneError(thrown), said.text)
  } finally {
    // Until then the payment is not recorded, and a server that shuts down waits for its tools only.
    await completion.closed
  }
  return { said, summary: await completion.closed }
}

function askToSell(sell: NonNullable<ToolContext['sell']>, call: GatewayCall, isDryRun: boolean): Promise<Completion> {
  if (!isDryRun) return sell(call)
  throw new RouteplaneError('invalid_request', 'the plan of this gateway is for its operator', {
    hint: 'Leave dry_run out and send no payment: the offers say the price, and nothing is spent.',
  })
}

/** What our provider asks and is paid, and what is left of the operator's caps, is none of a stranger's business. */
async function answerSold(call: GatewayCall, completion: Completion, context: ToolContext): Promise<z.input<typeof output>> {
  const { said, summary } = await hear(completion, context)
  context.addMeta(settlementMeta(completion, context.meta))
  const { request_id, text, provider, model, attempts, warnings, refusal, finish_reason, model_served, usage } = showAnswer(
    call,
    completion,
    summary,
    said,
    [],
  )
  return { request_id, text, provider, model, attempts, warnings, ...present({ refusal, finish_reason, model_served, usage }) }
}

/** Gathers the first candidate's text; `said` keeps what has come when the rest does not. */
async function read(stream: PartStream, said: Answer, { report }: ToolContext): Promise<void> {
  const progress = report === undefined ? undefined : watchText(report)
  try {
    for await (const parts of stream) {
      for (const part of parts) note(part, said, progress)
    }
  } finally {
    progress?.stop()
  }
}

/** @throws RouteplaneError the error of an error part. */
function note(part: CompletionPart, said: Answer, progress: ReturnType<typeof watchText> | undefined): void {
  if (part.type === 'error') throw part.error
  if (part.type === 'text-delta') said.text += part.text
  else if (part.type === 'refusal-delta') said.refusal += part.text
  if (part.type === 'text-delta') progress?.grow('text', part.text.length)
  else if (part.type === 'reasoning-delta') progress?.grow('reasoning', part.text.length)
}

function showAnswer(
  call: GatewayCall,
  { head }: Completion,
  summary: CompletionSummary,
  said: Answer,
  caps: Status['caps'] | undefined,
): z.input<typeof output> {
  const warnings = [...head.warnings, ...showLosses(head.losses)]
  if (caps === undefined) warnings.push('what is left of the caps could not be read')
  return {
    request_id: call.id,
    text: said.text,
    provider: head.provider,
    model: head.model,
    payment_mode: head.mode,
    attempts: head.attempts,
    warnings,
    ...present({
      refusal: said.refusal === '' ? undefined : said.refusal,
      finish_reason: summary.finishReason,
      model_served: summary.modelServed,
      usage: showUsage(summary.usage),
      quoted_usd: dollars(head.costUsd),
      cost_usd: dollars(summary.costUsd),
      paid_usd: dollars(summary.paidUsd),
      payment_status: summary.paymentStatus,
      receipt_id: summary.receiptId ?? head.receiptId,
      transaction: summary.transaction,
      caps_left: caps?.map(showCap),
    }),
  }
}

function showLosses(losses: Completion['head']['losses'] = []): readonly string[] {
  return losses.map(({ path, how }) => `not carried over to this provider: ${path}: ${how}`)
}

function showCap({ scope, window, capUsd, availableUsd, resetsAt }: Status['caps'][number]): z.input<typeof cap> {
  return {
    scope,
    window,
    cap_usd: formatUsd(capUsd),
    available_usd: formatUsd(availableUsd),
    ...present({ resets_at: resetsAt === undefined ? undefined : new Date(resetsAt).toISOString() }),
  }
}

function showUsage(usage: CompletionSummary['usage']): z.input<typeof output>['usage'] {
  if (usage === undefined) return undefined
  return {
    origin: usage.origin,
    ...present({
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      cache_read_tokens: usage.cacheReadTokens,
      cache_write_tokens: usage.cacheWriteTokens,
      reasoning_tokens: usage.reasoningTokens,
    }),
  }
}

/** Rows of a dry run's table: more would fill the calling model's context and tell it nothing new. */
const MAX_REFUSED = 30

/** Why a provider is out tells of keys and balances: the operator's business. */
function showDecision(decision: Decision, { isOperator }: Caller): z.input<typeof output> {
  const [first] = decision.attempts
  return {
    request_id: decision.requestId,
    dry_run: true,
    cap_usd: formatUsd(decision.capUsd),
    resolved: [...decision.resolved],
    plan: decision.attempts.map(({ endpoint, mode, boundUsd, expectedUsd, needsApproval, warnings = [] }) => {
      const all = [...warnings, ...showLosses(decision.candidates.find((candidate) => candidate.endpoint === endpoint)?.losses)]
      return {
        endpoint,
        payment_mode: mode,
        ...present({
          bound_usd: dollars(boundUsd),
          expected_usd: dollars(expectedUsd),
          needs_approval: needsApproval,
          warnings: all.length === 0 ? undefined : all,
        }),
      }
    }),
    ...present({
      quoted_usd: dollars(first?.boundUsd),
      failure: decision.error,
      refused: isOperator ? decision.refused.slice(0, MAX_REFUSED).map(showRefusal) : undefined,
    }),
  }
}

function showRefusal({ endpoint, model, reason, detail }: Decision['refused'][number]) {
  return { endpoint, model, reason, detail }
}

/** How long an answer that has been paid for may wait for the figures beside it. */
const STATUS_MS = 2_000

/** The caps are good to know and nothing more: without them the answer is still the answer. */
async function capsLeft({ routeplane, caller, clock, log }: ToolContext, { head }: Completion): Promise<Status['caps'] | undefined> {
  const done = new AbortController()
  try {
    const late = clock.sleep(STATUS_MS, done.signal).then(
      () => undefined,
      () => undefined,
    )
    const caps = (await Promise.race([routeplane.status(), late]))?.caps
    return caps?.filter(({ scope }) => concerns(scope, caller, head.provider))
  } catch (thrown) {
    log.warn('caps could not be read', { code: toRouteplaneError(thrown).code })
    return undefined
  } finally {
    done.abort()
  }
}

/** Whoever has a key learns what is left to him, not to the operator. */
function concerns(scope: string, { id, isOperator }: Caller, provider: string): boolean {
  const [kind] = scope.split(':')
  if (kind === 'request') return true
  if (kind === 'key') return scope === `key:${id}`
  return isOperator && (kind !== 'provider' || scope === `provider:${provider}`)
}

function dollars(usd: Usd | undefined): string | undefined {
  return usd === undefined ? undefined : formatUsd(usd)
}

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Leaves out what is not known, so that it is absent and not null. */
function present<T extends Record<string, unknown>>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>
}
