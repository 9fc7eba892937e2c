/** What keeps an endpoint from serving a call, as the gateway knows it now: health, limits, keys and wallet, the wire. */
import type { Needs } from '../completion/features.ts'
import type { Usd } from '../money.ts'
import type { Declined } from '../payment/mode.ts'
import type { Extensions } from '../protocol/extensions.ts'
import { endpointKey, type Endpoint, type PaymentModeName } from '../registry/endpoint.ts'
import type { Sieve } from '../routing/eligible.ts'
import type { Cooldown } from '../selection/health.ts'
import { unagreed } from './approval.ts'
import type { GatewayCall } from './call.ts'
import type { GatewayContext } from './context.ts'
import type { Conversation } from './conversation.ts'
import type { Lanes } from './lane.ts'

/** How a call may be paid: which modes in which order, and whether its cap is its own. */
export type Paying = Pick<Sieve, 'prefer' | 'offer' | 'capIsOwn'>

export type SieveInput = {
  readonly call: GatewayCall
  readonly lanes: Lanes
  readonly extensions: Extensions
  readonly capUsd: Usd
  readonly capAt: (endpoint: Endpoint) => Usd
  readonly paying: Paying
  readonly conversation: Conversation | undefined
}

const NOT_BUILT_IN: Declined = { available: false, reason: 'this build does not have it' }

export function payingOf(extensions: Extensions, context: GatewayContext): Paying {
  const modes = new Map(context.modes.map((mode) => [mode.id, mode]))
  return {
    prefer: preferOf(extensions, context),
    offer: (mode, endpoint) => modes.get(mode)?.offer(endpoint) ?? NOT_BUILT_IN,
    capIsOwn: extensions.maxCostUsd !== undefined,
  }
}

/** A request may reorder and narrow the operator's modes; a mode he has not allowed stays out. */
function preferOf(extensions: Extensions, { rules: { prefer } }: GatewayContext): readonly PaymentModeName[] {
  return extensions.paymentPrefer?.flatMap((name) => prefer.filter((mode) => mode === name)) ?? prefer
}

export function createSieve(input: SieveInput, context: GatewayContext): Sieve {
  const { call, lanes, extensions, capUsd, capAt, paying, conversation } = input
  const { health, rateLimits } = context
  const tokens = tokensOf(call.read.needs)
  return {
    needs: call.read.needs,
    rules: extensions.provider ?? {},
    capUsd,
    capAt,
    prefer: paying.prefer,
    offer: paying.offer,
    capIsOwn: paying.capIsOwn,
    ...(call.asksNobody === true
      ? { unagreed: (mode, endpoint, boundUsd) => unagreed(mode, { endpoint, boundUsd }, { call, capAt }, context) }
      : {}),
    hideDeprecated: context.rules.hideDeprecated,
    today: () => new Date(context.clock.now()).toISOString().slice(0, 10),
    health: (endpoint) => health.view(endpointKey(endpoint)),
    untranslatable: (endpoint) => {
      const lane = lanes.laneOf(endpoint)
      return lane.kind === 'refused' ? lane.error.message : undefined
    },
    needsAt: (endpoint) => {
      const lane = lanes.laneOf(endpoint)
      return lane.kind === 'refused' ? call.read.needs : lane.needs
    },
    savingAt: (endpoint) => conversation?.savingAt(endpoint),
    coolingUntil: (endpoint) => untilOf(health.cooldown(endpointKey(endpoint)), (kind) => kind !== 'limited'),
    limitedUntil: (endpoint) =>
      untilOf(health.cooldown(endpointKey(endpoint)), (kind) => kind === 'limited') ?? rateLimits.limitedUntil(endpoint, tokens),
  }
}

/** Until when an endpoint is left alone for a reason of one kind. */
function untilOf(cooldown: Cooldown | undefined, isKind: (kind: Cooldown['kind']) => boolean): number | undefined {
  return cooldown !== undefined && isKind(cooldown.kind) ? cooldown.untilMs : undefined
}

/** What a request takes out of a limit on tokens: what it brings and, where it says so, what it may get. */
export function tokensOf(needs: Needs): number {
  return needs.expectedInputTokens + (needs.maxOutputTokens === undefined ? 0 : needs.maxOutputTokens)
}
