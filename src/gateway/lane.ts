/** How a call is said to an endpoint: in the caller's own bytes, translated with its losses, or not at all. */
import type { Needs } from '../completion/features.ts'
import type { CompletionRequest } from '../completion/request.ts'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import { spliceJson } from '../lib/json-splice.ts'
import type { Usd } from '../money.ts'
import { approximated, errorOfLosses, lossClassOf, type Loss } from '../protocol/loss.ts'
import type { Encoded, Protocol, UpstreamTarget, WireRequest } from '../protocol/protocol.ts'
import type { Restore } from '../protocol/restore.ts'
import { REQUEST_TOKENS } from '../protocol/token-bounds.ts'
import type { Endpoint } from '../registry/endpoint.ts'
import type { GatewayCall } from './call.ts'
import { clampedLimit } from './clamp.ts'
import { protocolOf, type GatewayContext } from './context.ts'

/** What is said to one endpoint. */
export type Lane = NativeLane | TranslateLane | RefusedLane

export type NativeLane = {
  readonly kind: 'native'
  readonly protocol: Protocol
  readonly target: UpstreamTarget
  /** The caller's own, but for an output limit that was lowered to the cap. */
  readonly request: WireRequest
  readonly losses: readonly Loss[]
  readonly needs: Needs
}

export type TranslateLane = {
  readonly kind: 'translate'
  readonly protocol: Protocol
  readonly encoded: Encoded
  /** The body as it will be sent. */
  text(): string
  /** Told where the caller wrote what is lost. */
  readonly losses: readonly Loss[]
  readonly restore: Restore
  /** What the translated request needs: at least as much as the caller's, and more where the translation adds to it. */
  readonly needs: Needs
}

/** The request cannot be said in any wire the endpoint speaks; the error is what the caller would get. */
export type RefusedLane = { readonly kind: 'refused'; readonly error: RouteplaneError }

export type Lanes = { laneOf(endpoint: Endpoint): Lane }

/** A longer body is written again when it is sent: many endpoints may be weighed and only one is asked. */
const MAX_KEPT_CHARACTERS = 1024 * 1024

/**
 * Creates the lanes of one call. Each endpoint's is found once, and the request is decoded once, when the first endpoint
 * needs it: a call that every endpoint takes as it is is never decoded.
 */
export function createLanes(call: GatewayCall, context: GatewayContext, options: LaneOptions): Lanes {
  const known = new Map<Endpoint, Lane>()
  let decoded: CompletionRequest | RouteplaneError | undefined
  const decode = (): CompletionRequest | RouteplaneError => {
    if (decoded !== undefined) return decoded
    try {
      decoded = call.decode()
    } catch (thrown) {
      decoded = toRouteplaneError(thrown)
    }
    return decoded
  }
  const search = { call, context, decode, ...options }
  return {
    laneOf(endpoint) {
      const found = known.get(endpoint)
      if (found !== undefined) return found
      const made = findAffordableLane(endpoint, search)
      known.set(endpoint, made)
      return made
    },
  }
}

type LaneOptions = {
  readonly strict: boolean
  /** What an answer of an endpoint may cost where the output limit is to be lowered to it; `undefined` leaves it alone. */
  budgetAt?(endpoint: Endpoint): Usd | undefined
}

type Search = LaneOptions & {
  readonly call: GatewayCall
  readonly context: GatewayContext
  readonly decode: () => CompletionRequest | RouteplaneError
  /** The output limit in place of the caller's. */
  readonly limit?: number
}

/** A translation may add to what is charged: what it has come to is priced once more. */
function findAffordableLane(endpoint: Endpoint, search: Search): Lane {
  let lane = findLane(endpoint, search)
  const budgetUsd = search.strict ? undefined : search.budgetAt?.(endpoint)
  if (budgetUsd === undefined) return lane
  for (let pass = 0; pass < 2 && lane.kind !== 'refused'; pass++) {
    const limit = clampedLimit(endpoint, lane.needs, budgetUsd)
    if (limit === undefined) return lane
    const lowered = findLane(endpoint, { ...search, limit })
    if (lowered.kind === 'refused') return lane
    lane = lowered
  }
  return lane
}

function findLane(endpoint: Endpoint, search: Search): Lane {
  const { call, context, decode, strict, limit } = search
  const target = targetOf(endpoint, call)
  const { wire } = call
  if (wire !== undefined && endpoint.protocols.includes(wire.protocol)) {
    const own = nativeLane(protocolOf(context, wire.protocol), target, call.read.needs, wire.request)
    return limit === undefined ? own : lowerLimit(own, limit)
  }
  const given = decode()
  if (given instanceof RouteplaneError) return { kind: 'refused', error: given }
  const request = limit === undefined ? given : { ...given, maxOutputTokens: limit }
  let best: TranslateLane | undefined
  let refused: RouteplaneError | undefined
  for (const id of endpoint.protocols) {
    const lane = translate(protocolOf(context, id), request, target, search)
    const error = errorOfLosses(lane.losses, { strict })
    if (error !== undefined) refused ??= error
    else if (best === undefined || isBetter(lane.losses, best.losses)) best = lane
  }
  if (best !== undefined) return best
  return { kind: 'refused', error: refused ?? new RouteplaneError('internal', `endpoint ${endpoint.provider.id} speaks no protocol`) }
}

function nativeLane(protocol: Protocol, target: UpstreamTarget, needs: Needs, request: WireRequest): NativeLane {
  return { kind: 'native', protocol, target, request, losses: NO_LOSSES, needs }
}

const NO_LOSSES: readonly Loss[] = []

/** @returns the lane itself where the wire has no such limit. */
function lowerLimit(own: NativeLane, limit: number): NativeLane {
  const { protocol, target, request, needs } = own
  const members = protocol.upstream.limitOutput(request.json, limit, target)
  if (members === undefined) return own
  const loss = lowered(limit)
  return {
    ...own,
    request: {
      ...request,
      body: spliceJson(request.body, { set: members }),
      json: { ...request.json, ...Object.fromEntries(members) },
    },
    losses: [{ ...loss, path: protocol.caller.pathOf(loss.path, request) }],
    // What is read costs the same: a limit is no part of the prompt.
    needs: { ...needs, maxOutputTokens: limit },
  }
}

function lowered(limit: number): Loss {
  return approximated('max_tokens', 'max_tokens', `lowered to the ${limit} tokens that the cap buys`)
}

function targetOf({ upstreamModel, modelId, provider, maxOutputTokens }: Endpoint, call: GatewayCall): UpstreamTarget {
  return {
    model: upstreamModel,
    stream: call.read.needs.stream,
    provider: provider.id,
    modelFamily: modelId,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
  }
}

function translate(protocol: Protocol, given: CompletionRequest, target: UpstreamTarget, { call, context, limit }: Search): TranslateLane {
  const { request, losses: limited } = withinLimit(given, target)
  const losses = limit === undefined ? limited : [lowered(limit), ...limited]
  const encoded = protocol.upstream.encodeRequest(request, target)
  const text = JSON.stringify(encoded.body)
  const kept = text.length <= MAX_KEPT_CHARACTERS ? text : undefined
  return {
    kind: 'translate',
    protocol,
    encoded,
    text: () => kept ?? JSON.stringify(encoded.body),
    losses: spelt([...losses, ...encoded.losses], request, call, context),
    restore: { ...judgedBy(request), ...encoded.restore, issuer: { provider: target.provider ?? '', ...issuerFamily(target) } },
    needs: needsOf(call, encoded, { bytes: Buffer.byteLength(text), maxOutputTokens: request.maxOutputTokens }),
  }
}

/** A schema that went out whole is no promise that the model keeps to it; an encoder that sent a weaker one says so itself. */
function judgedBy({ output }: CompletionRequest): Pick<Restore, 'schema'> {
  if (output.kind === 'schema') return { schema: output.schema }
  return output.kind === 'json' ? { schema: { type: 'object' } } : {}
}

/**
 * Agents ask every model for the most any model writes. A translation asks for what this one does, and says so; the native
 * lane leaves the caller's words alone and the upstream to judge them.
 */
function withinLimit(
  request: CompletionRequest,
  { maxOutputTokens: most }: UpstreamTarget,
): { readonly request: CompletionRequest; readonly losses: readonly Loss[] } {
  const { maxOutputTokens: wanted } = request
  if (wanted === undefined || most === undefined || wanted <= most) return { request, losses: [] }
  return {
    request: { ...request, maxOutputTokens: most },
    losses: [approximated('max_tokens', 'max_tokens', `the endpoint writes at most ${most} tokens`)],
  }
}

function issuerFamily({ modelFamily }: UpstreamTarget): { readonly modelFamily?: string } {
  return modelFamily === undefined ? {} : { modelFamily }
}

/** Paths of fields that the decoder did not model are the caller's already. */
function spelt(losses: readonly Loss[], { unknown }: CompletionRequest, { wire }: GatewayCall, context: GatewayContext): readonly Loss[] {
  if (wire === undefined) return losses
  const { caller } = protocolOf(context, wire.protocol)
  const own = new Set(unknown.map(({ path }) => path))
  return losses.map((loss) => (own.has(loss.path) ? loss : { ...loss, path: caller.pathOf(loss.path, wire.request) }))
}

/**
 * What is charged is what is sent. A schema with its references written out, an instruction in place of a field or a raised
 * limit makes a request dearer than it was: each further byte counts as a token, and the greater limit as the limit.
 */
function needsOf(
  { read, wire }: GatewayCall,
  encoded: Encoded,
  said: { readonly bytes: number; readonly maxOutputTokens: number | undefined },
): Needs {
  const { needs } = read
  const { bytes, maxOutputTokens: own } = said
  const { maxOutputTokens: stated } = encoded
  const most = own === undefined || stated === undefined ? (own ?? stated) : Math.max(own, stated)
  const grown = wire === undefined ? bytes + REQUEST_TOKENS : needs.maxInputTokens + Math.max(0, bytes - wire.request.body.byteLength)
  return {
    ...needs,
    maxInputTokens: Math.max(needs.maxInputTokens, grown),
    ...(most === undefined ? {} : { maxOutputTokens: most }),
  }
}

/** Fewer semantic losses, then fewer of all; the endpoint's own order decides between equals. */
function isBetter(a: readonly Loss[], b: readonly Loss[]): boolean {
  const [one, other] = [semanticLosses(a), semanticLosses(b)]
  return one < other || (one === other && a.length < b.length)
}

/** Counts the losses that may change what an answer means. */
export function semanticLosses(losses: readonly Loss[]): number {
  return losses.filter(({ feature }) => lossClassOf(feature) === 'semantic').length
}
