/** Decides who is asked in which order, and within which cap; asked the same way for a real request and for an explanation. */
import { RouteplaneError } from '../errors.ts'
import type { Usd } from '../money.ts'
import type { Endpoint } from '../registry/endpoint.ts'
import { sift, type EligibleCandidate } from '../routing/eligible.ts'
import { planAttempts, type Attempt, type Refusal } from '../routing/plan.ts'
import type { Preset } from '../routing/preset.ts'
import { resolveModel, type Target } from '../routing/resolve.ts'
import type { Ranked } from '../selection/rank.ts'
import type { GatewayCall } from './call.ts'
import { budgetAt } from './clamp.ts'
import type { GatewayContext } from './context.ts'
import { conversationOf, type Conversation } from './conversation.ts'
import { createLanes, type Lanes } from './lane.ts'
import { order } from './order.ts'
import { applyPresetFields, choosePreset } from './preset-call.ts'
import { refusalOf } from './refusal.ts'
import { createSieve, payingOf } from './sieve.ts'

export type Decided = {
  /** The call with what its preset adds to it: this is what is priced and sent. */
  readonly call: GatewayCall
  readonly lanes: Lanes
  readonly targets: readonly Target[]
  readonly ranked: readonly (readonly Ranked[])[]
  /** Whom curiosity has put first. */
  readonly explored: ReadonlySet<Endpoint>
  readonly refused: readonly Refusal[]
  readonly attempts: readonly Attempt[]
  readonly capUsd: Usd
  /** Epoch milliseconds. */
  readonly decidedAt: number
  /** The cap for what one endpoint may cost: the request's, or its provider's own if that is lower. */
  capAt(endpoint: Endpoint): Usd
  /** The caller, or his preset, set the cap himself: it then binds providers he pays with his own key, too. */
  readonly capIsOwn: boolean
  readonly onUnknown: 'wait' | 'fail' | 'allow_double'
  /** Whether an answer that breaks its schema is asked for once more. */
  readonly retriesSchema: boolean
  readonly preset: Preset | undefined
  /** The conversation it goes on with, where it counts who has read that before. */
  readonly conversation: Conversation | undefined
  warningsOf(endpoint: Endpoint): readonly string[]
}

/**
 * Makes the decision for a call; nothing is sent and nothing is held.
 *
 * @throws RouteplaneError when a name resolves to nothing, or when nobody may and can answer.
 */
export function decide(call: GatewayCall, context: GatewayContext): Decided {
  const decided = survey(call, context)
  if (decided.attempts.length === 0) throw refusalOf(decided)
  return decided
}

/** The same, without insisting that anybody is left: for explanations. */
export function survey(asked: GatewayCall, context: GatewayContext): Decided {
  const { preset, extensions, texts } = choosePreset(asked, context)
  const call = applyPresetFields(asked, preset, context)
  const targets = resolveAll(texts, call, context)
  const { rules } = context
  const capUsd = least(least(rules.perRequestUsd, extensions.maxCostUsd), rules.perRequestOfCaller(call.caller))
  const capAt = ({ provider }: Endpoint) => least(capUsd, rules.perRequestOfProvider(provider.id))
  const paying = payingOf(extensions, context)
  const clamps = extensions.clampToBudget ?? rules.clampToBudget
  const lanes = createLanes(call, context, {
    strict: extensions.strict ?? false,
    ...(clamps ? { budgetAt: (endpoint: Endpoint) => budgetAt(endpoint, paying, capAt(endpoint)) } : {}),
  })
  const conversation = rules.sticky ? conversationOf(call, context.prefixes) : undefined
  const sieve = createSieve({ call, lanes, extensions, capUsd, capAt, paying, conversation }, context)
  const sifted = targets.map((target) => sift(target, sieve))
  const ordering = { requestId: call.id, extensions, prefer: paying.prefer, lanes, rules }
  const ordered = targets.map((target, at) => order(target, sifted[at]?.eligible ?? [], ordering))
  const lists = ordered.map(({ ranked }) => ranked.map(({ candidate }) => candidate as EligibleCandidate))
  return {
    call,
    lanes,
    targets,
    ranked: ordered.map(({ ranked }) => ranked),
    explored: new Set(ordered.flatMap(({ explored }) => explored ?? [])),
    refused: sifted.flatMap(({ refused }) => refused),
    attempts: planAttempts(lists, rules.maxAttempts),
    capUsd,
    decidedAt: context.clock.now(),
    capAt,
    capIsOwn: paying.capIsOwn,
    onUnknown: extensions.onUnknown ?? rules.onUnknown,
    retriesSchema: extensions.retrySchema ?? rules.retrySchema,
    preset,
    conversation,
    warningsOf: (endpoint) =>
      endpoint.deprecationDate === undefined ? [] : [`${endpoint.modelId} is deprecated on ${endpoint.deprecationDate}`],
  }
}

function resolveAll(texts: readonly string[], call: GatewayCall, context: GatewayContext): readonly Target[] {
  const { virtualModels, openProviders, rules } = context
  const accountShare = rules.managedAccounts.get(call.caller)
  const sources = { snapshot: context.catalog.snapshot(), virtualModels, openProviders, accountShare }
  const targets = texts.map((text) => resolveModel(text, sources))
  for (const { model } of targets) requireAllowed(model, call)
  return targets
}

function least(cap: Usd, other: Usd | undefined): Usd {
  return other === undefined || cap <= other ? cap : other
}

function requireAllowed(model: string, { models }: GatewayCall): void {
  if (models === undefined || models.includes(model)) return
  throw new RouteplaneError('model_forbidden', `this key is not good for ${model}`, {
    hint: `It may ask for ${models.slice(0, 8).join(', ')}.`,
  })
}
