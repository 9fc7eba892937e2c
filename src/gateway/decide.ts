/** Decides who is asked in which order, and within which cap; asked the same way for a real request and for an explanation. */
import type { Needs } from '../completion/features.ts'
import { amend, RouteplaneError } from '../errors.ts'
import { formatUsd, minUsd, type Usd } from '../money.ts'
import type { Extensions } from '../protocol/extensions.ts'
import type { Loss } from '../protocol/loss.ts'
import { endpointKey, type Endpoint, type PaymentModeName } from '../registry/endpoint.ts'
import { sift, type EligibleCandidate, type Sieve } from '../routing/eligible.ts'
import { parseModelRef } from '../routing/model-ref.ts'
import { planAttempts, type Attempt, type Refusal } from '../routing/plan.ts'
import { mergePreset, type Preset } from '../routing/preset.ts'
import { resolveModel, type Target } from '../routing/resolve.ts'
import type { Cooldown } from '../selection/health.ts'
import { explore } from '../selection/explore.ts'
import { rank, type Ranked } from '../selection/rank.ts'
import { orderOfVariant, sortOrderOf } from '../selection/variant.ts'
import type { GatewayCall } from './call.ts'
import { budgetAt } from './clamp.ts'
import type { GatewayContext } from './context.ts'
import { createLanes, semanticLosses, type Lanes } from './lane.ts'
import { applyPresetFields } from './preset-call.ts'

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
  /** The cap for what one endpoint may cost: the request's, or its provider's own if that is lower. */
  capAt(endpoint: Endpoint): Usd
  /** The caller, or his preset, set the cap himself: it then binds providers he pays with his own key, too. */
  readonly capIsOwn: boolean
  readonly onUnknown: 'wait' | 'fail' | 'allow_double'
  /** Whether an answer that breaks its schema is asked for once more. */
  readonly retriesSchema: boolean
  readonly preset: Preset | undefined
  warningsOf(endpoint: Endpoint): readonly string[]
}

const MAX_MODELS = 8

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

/** Why nobody is left to ask. */
export function refusalOf(decided: Decided): RouteplaneError {
  return untranslatable(decided) ?? nobody(decided)
}

/** The same, without insisting that anybody is left: for explanations. */
export function survey(asked: GatewayCall, context: GatewayContext): Decided {
  const { preset, extensions, texts } = applyPreset(asked, context)
  const call = applyPresetFields(asked, preset, context)
  const snapshot = context.catalog.snapshot()
  const { virtualModels, openProviders } = context
  const accountShare = context.rules.managedAccounts.get(call.caller)
  const targets = texts.map((text) => resolveModel(text, { snapshot, virtualModels, openProviders, accountShare }))
  for (const { model } of targets) requireAllowed(model, call)
  const { maxCostUsd } = extensions
  const { rules } = context
  const capUsd = least(rules.perRequestUsd, maxCostUsd, rules.perRequestOfCaller(call.caller))
  const capAt = ({ provider }: Endpoint) => least(capUsd, rules.perRequestOfProvider(provider.id))
  const paying = { prefer: preferOf(extensions, context), offer: offerOf(context), capIsOwn: maxCostUsd !== undefined }
  const clamps = extensions.clampToBudget ?? rules.clampToBudget
  const lanes = createLanes(call, context, {
    strict: extensions.strict ?? false,
    ...(clamps ? { budgetAt: (endpoint: Endpoint) => budgetAt(endpoint, paying, capAt(endpoint)) } : {}),
  })
  const sieve = createSieve({ call, lanes, extensions, capUsd, capAt, paying }, context)
  const sifted = targets.map((target) => sift(target, sieve))
  const explored = new Set<Endpoint>()
  const ranked = targets.map((target, at) => order(target, sifted[at]?.eligible ?? [], { call, extensions, lanes, context, explored }))
  const lists = ranked.map((list) => list.map(({ candidate }) => candidate as EligibleCandidate))
  return {
    call,
    lanes,
    targets,
    ranked,
    explored,
    refused: sifted.flatMap(({ refused }) => refused),
    attempts: planAttempts(lists, context.rules.maxAttempts),
    capUsd,
    capAt,
    capIsOwn: paying.capIsOwn,
    onUnknown: extensions.onUnknown ?? rules.onUnknown,
    retriesSchema: extensions.retrySchema ?? rules.retrySchema,
    preset,
    warningsOf: (endpoint) =>
      endpoint.deprecationDate === undefined ? [] : [`${endpoint.modelId} is deprecated on ${endpoint.deprecationDate}`],
  }
}

function least(cap: Usd, ...others: readonly (Usd | undefined)[]): Usd {
  return minUsd(cap, ...others.filter((other) => other !== undefined))
}

function requireAllowed(model: string, { models }: GatewayCall): void {
  if (models === undefined || models.includes(model)) return
  throw new RouteplaneError('model_forbidden', `this key is not good for ${model}`, {
    hint: `It may ask for ${models.slice(0, 8).join(', ')}.`,
  })
}

type Applied = { readonly preset: Preset | undefined; readonly extensions: Extensions; readonly texts: readonly string[] }

function applyPreset(call: GatewayCall, context: GatewayContext): Applied {
  const { model, extensions } = call.read
  const ref = model.startsWith('@') ? parseModelRef(model, () => false) : undefined
  const name = ref?.preset ?? extensions.preset
  const preset = name === undefined ? undefined : context.presets.get(name)
  if (name !== undefined && preset === undefined) {
    throw new RouteplaneError('unknown_preset', `there is no preset ${JSON.stringify(name.slice(0, 64))}`, {
      hint: `Presets: ${
        context.presets
          .list()
          .map((each) => each.name)
          .join(', ') || 'none yet'
      }.`,
    })
  }
  const own = ref === undefined ? model : ref.model
  const merged = preset === undefined ? extensions : mergePreset(extensions, preset, own)
  const suffix = ref?.variant === undefined ? '' : `:${ref.variant}`
  const texts = merged.models?.map((text) => text + suffix) ?? [(own ?? preset?.model ?? '') + suffix]
  if (texts.length > MAX_MODELS)
    throw new RouteplaneError('invalid_request', `models lists ${texts.length} entries; at most ${MAX_MODELS} are walked`)
  if (texts.length === 0 || texts.some((text) => text === ''))
    throw new RouteplaneError('invalid_request', 'neither the request nor a preset names a model')
  return { preset, extensions: merged, texts }
}

type SieveInput = {
  readonly call: GatewayCall
  readonly lanes: Lanes
  readonly extensions: Extensions
  readonly capUsd: Usd
  readonly capAt: (endpoint: Endpoint) => Usd
  readonly paying: Pick<Sieve, 'prefer' | 'offer' | 'capIsOwn'>
}

function offerOf(context: GatewayContext): Sieve['offer'] {
  return (mode, endpoint) =>
    context.modes.find(({ id }) => id === mode)?.offer(endpoint) ?? { available: false, reason: 'this build does not have it' }
}

function createSieve({ call, lanes, extensions, capUsd, capAt, paying }: SieveInput, context: GatewayContext): Sieve {
  return {
    needs: call.read.needs,
    rules: extensions.provider ?? {},
    capUsd,
    capAt,
    ...paying,
    hideDeprecated: context.rules.hideDeprecated,
    // Few endpoints have a date to hold against it.
    get today() {
      return new Date(context.clock.now()).toISOString().slice(0, 10)
    },
    health: (endpoint) => context.health.view(endpointKey(endpoint)),
    untranslatable: (endpoint) => {
      const lane = lanes.laneOf(endpoint)
      return lane.kind === 'refused' ? lane.error.message : undefined
    },
    needsAt: (endpoint) => {
      const lane = lanes.laneOf(endpoint)
      return lane.kind === 'refused' ? call.read.needs : lane.needs
    },
    coolingUntil: (endpoint) => untilOf(context, endpoint, (kind) => kind !== 'limited'),
    limitedUntil: (endpoint) =>
      untilOf(context, endpoint, (kind) => kind === 'limited') ?? context.rateLimits.limitedUntil(endpoint, tokensOf(call.read.needs)),
  }
}

/** Until when an endpoint is left alone for a reason of one kind. */
function untilOf(context: GatewayContext, endpoint: Endpoint, isKind: (kind: Cooldown['kind']) => boolean): number | undefined {
  const cooldown = context.health.cooldown(endpointKey(endpoint))
  return cooldown !== undefined && isKind(cooldown.kind) ? cooldown.untilMs : undefined
}

/** What a request takes out of a limit on tokens: what it brings and, where it says so, what it may get. */
export function tokensOf(needs: Needs): number {
  return needs.expectedInputTokens + (needs.maxOutputTokens === undefined ? 0 : needs.maxOutputTokens)
}

/** A request may reorder and narrow the operator's modes; a mode he has not allowed stays out. */
function preferOf(extensions: Extensions, context: GatewayContext): readonly PaymentModeName[] {
  const { prefer } = context.rules
  const wanted = extensions.paymentPrefer
  return wanted === undefined ? prefer : wanted.flatMap((name) => prefer.filter((mode) => mode === name))
}

type OrderContext = {
  readonly call: GatewayCall
  readonly extensions: Extensions
  readonly lanes: Lanes
  readonly context: GatewayContext
  readonly explored: Set<Endpoint>
}

/**
 * Orders who is eligible: as the target lists them, as the caller orders providers, as the variant or `sort` ranks them.
 *
 * In the default order, an endpoint that loses less of the request's meaning by translation goes before one that loses
 * more, however good its score, but never before a healthy one when it is gated, nor before one that the caller has a
 * key for. Who asked for an axis gets that axis: losses, there as in general of hints, only decide between equal scores.
 */
function order(
  target: Target,
  eligible: readonly EligibleCandidate[],
  { call, extensions, lanes, context, explored }: OrderContext,
): readonly Ranked[] {
  const { sort, order: wantedFirst = [] } = extensions.provider ?? {}
  const by =
    target.variant === undefined ? ((sort === undefined ? undefined : sortOrderOf(sort)) ?? 'balanced') : orderOfVariant(target.variant)
  const prefer = preferOf(extensions, context)
  // An axis that was asked for is asked of everybody alike; only the default order lets the caller's own keys go first.
  const byokFirst = by === 'balanced' && prefer[0] === 'byok'
  const ranked = rank(eligible, { by, weights: context.rules.weights, byokFirst })
  if (ranked.length < 2) return ranked
  // Mostly everybody speaks the caller's own wire: then there is nothing to weigh.
  const isLossless = ranked.every((each) => lossesOf(each, lanes).length === 0)
  const kept = isLossless ? ranked : byLosses(ranked, lanes, { byokFirst, isBalanced: by === 'balanced' })
  const place = ({ candidate }: Ranked) => {
    const at = wantedFirst.indexOf(candidate.endpoint.provider.id)
    return at === -1 ? wantedFirst.length : at
  }
  if (!target.ordered) {
    if (wantedFirst.length > 0) return kept.toSorted((a, b) => place(a) - place(b))
    // Who named a provider or an order gets what he named.
    const isFree = !target.pinned && target.variant === undefined && sort === undefined
    if (!isFree) return kept
    const tried = explore(kept, context.rules.explorationShare, call.id)
    if (tried[0] !== undefined && tried[0] !== kept[0]) explored.add(tried[0].candidate.endpoint)
    return tried
  }
  return kept.toSorted((a, b) => target.endpoints.indexOf(a.candidate.endpoint) - target.endpoints.indexOf(b.candidate.endpoint))
}

/** Sorts what is ranked by the criteria above; every one of them comes before the next, and the rank comes last. */
function byLosses(
  ranked: readonly Ranked[],
  lanes: Lanes,
  { byokFirst, isBalanced }: { byokFirst: boolean; isBalanced: boolean },
): readonly Ranked[] {
  const keysOf = (each: Ranked): readonly number[] => {
    const losses = lossesOf(each, lanes)
    const semantic = semanticLosses(losses)
    const isEqual = ({ isGated, candidate, score }: Ranked) =>
      isGated === each.isGated && candidate.byok === each.candidate.byok && score === each.score
    const byok = byokFirst && each.candidate.byok ? 0 : 1
    return [Number(each.isGated), byok, isBalanced ? semantic : 0, ranked.findIndex(isEqual), semantic, losses.length, each.rank]
  }
  const keyed = ranked.map((each) => ({ each, keys: keysOf(each) }))
  return keyed.toSorted((a, b) => compareKeys(a.keys, b.keys)).map(({ each }) => each)
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((key, index) => key !== b[index])
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

function lossesOf({ candidate }: Ranked, lanes: Lanes): readonly Loss[] {
  const lane = lanes.laneOf(candidate.endpoint)
  return lane.kind === 'refused' ? [] : lane.losses
}

/** Refusals whose reason is what the request asks for. */
const OF_THE_REQUEST: ReadonlySet<Refusal['reason']> = new Set(['translation', 'feature', 'modality'])

/** When translation is all that stands in the way, the caller gets told which field it is: that is his to change. */
function untranslatable({ refused, targets, lanes }: Decided): RouteplaneError | undefined {
  if (refused.length === 0 || !refused.every(({ reason }) => OF_THE_REQUEST.has(reason))) return undefined
  const errors = targets.flatMap(({ endpoints }) =>
    endpoints.flatMap((endpoint) => {
      const lane = lanes.laneOf(endpoint)
      return lane.kind === 'refused' ? [lane.error] : []
    }),
  )
  const [first] = errors
  if (first === undefined || errors.length < refused.length) return undefined
  const paths = [...new Set(errors.flatMap(({ details }) => (typeof details['path'] === 'string' ? [details['path']] : [])))]
  return paths.length < 2 ? first : amend(first, { details: { ...first.details, paths } })
}

/** Says why nobody can answer; a cap that is too low is said as such, since the caller can act on it. */
function nobody({ call, refused, capUsd }: Decided): RouteplaneError {
  const details = { model: call.read.model, capUsd: formatUsd(capUsd), refused }
  const priced = refused.length > 0 && refused.every(({ reason }) => reason === 'price_above_cap' || reason === 'price_unknown')
  if (priced) {
    return new RouteplaneError(
      'price_above_cap',
      `nobody serves ${call.read.model} within the cap of $${formatUsd(capUsd)}: ${refused[0]?.detail ?? ''}`,
      {
        hint: 'Set max_tokens, raise max_cost_usd, let clamp_to_budget shorten the answer, or pick a cheaper model.',
        details,
      },
    )
  }
  const why = refused.map(({ endpoint, detail }) => `${endpoint}: ${detail}`).slice(0, 3)
  return new RouteplaneError(
    'no_eligible_endpoint',
    `nobody can serve ${call.read.model} now${why.length === 0 ? '' : ` (${why.join('; ')})`}`,
    {
      hint: `routeplane route ${call.read.model} --explain lists every reason.`,
      details,
    },
  )
}
