/** Runs the whole checklist against one endpoint of a provider. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Transport } from '../../lib/http-call.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { canonicalIdOf, type CanonicalIndex } from '../canonical.ts'
import { asksToBePaid, type Provider } from '../endpoint.ts'
import { createEndpoint, overlayRow, type ModelRow, type ProviderDefinition } from '../model-row.ts'
import { nearestWords } from '../nearest.ts'
import { globMatches } from '../protocol-name.ts'
import { fetchDocument, type FetchedDocument } from './fetch-document.ts'
import { rowGroups } from './groups.ts'
import { createPace } from './pace.ts'
import { createProbe, type Answered } from './probe.ts'
import { row, verdicts, type Row, type RowGroup, type Verdict } from './row.ts'
import { createSpending } from './spending.ts'
import type { CheckSettings, PaymentPort, Subject } from './subject.ts'

export type CheckOptions = {
  readonly definition: ProviderDefinition
  readonly canonical: CanonicalIndex
  /** The provider's own model id or the canonical one; the first model when it is not given. */
  readonly model?: string
  readonly apiKey?: string
  /** Headers that show a key to this provider over a wire. */
  readonly authorize: (protocol: Protocol, key: string) => Readonly<Record<string, string>>
  readonly protocols: readonly Protocol[]
  readonly payment: PaymentPort
  readonly transport: Transport
  readonly clock: Clock
  readonly settings: CheckSettings
  /** Told before each group begins. */
  readonly onGroup?: (title: string) => void
}

export type CheckReport = {
  readonly provider: string
  readonly model: string
  readonly endpoint: string
  readonly groups: readonly { readonly id: string; readonly title: string; readonly rows: readonly Row[] }[]
  readonly counts: Readonly<Record<Verdict, number>>
}

/** @throws RouteplaneError `usage` when the model is not one of the provider's, or this build speaks none of its formats. */
export async function checkProvider(options: CheckOptions): Promise<CheckReport> {
  const subject = await prepare(options)
  const groups: { id: string; title: string; rows: readonly Row[] }[] = []
  for (const group of rowGroups) {
    options.onGroup?.(group.title)
    groups.push({ id: group.id, title: group.title, rows: await runGroup(group, subject) })
  }
  const rows = groups.flatMap((group) => group.rows)
  const counts = Object.fromEntries(verdicts.map((verdict) => [verdict, rows.filter((each) => each.verdict === verdict).length]))
  return {
    provider: subject.definition.provider.id,
    model: subject.endpoint.upstreamModel,
    endpoint: subject.definition.provider.baseUrl,
    groups,
    counts: counts as Record<Verdict, number>,
  }
}

/** A group that breaks says so in a row: the others still run. */
async function runGroup(group: RowGroup, subject: Subject): Promise<readonly Row[]> {
  try {
    return await group.run(subject)
  } catch (thrown) {
    return [row(`${group.id}.broken`, 'can be checked', ['fail', toRouteplaneError(thrown).message])]
  }
}

async function prepare(options: CheckOptions): Promise<Subject> {
  const { definition, canonical, apiKey, transport, clock, settings, payment } = options
  const { provider } = definition
  const isOwnOrigin = provider.modelsUrl !== undefined && new URL(provider.modelsUrl).origin === new URL(provider.baseUrl).origin
  const first = options.protocols[0]
  const documentHeaders = isOwnOrigin && apiKey !== undefined && first !== undefined ? options.authorize(first, apiKey) : {}
  const fetched = provider.modelsUrl === undefined ? undefined : await fetchDocument(provider.modelsUrl, documentHeaders, transport)
  const { listed, stated } = chooseModel(options, fetched)
  const modelId = canonicalIdOf(canonical, stated)
  const known = canonical.models.get(modelId)
  const endpoint = createEndpoint(provider, stated, modelId, known)
  const protocols = endpoint.protocols.flatMap((id) => options.protocols.find((each) => each.id === id) ?? [])
  const [preferred] = protocols
  if (preferred === undefined) throw new RouteplaneError('usage', `this build speaks none of ${endpoint.protocols.join(', ')}`)
  const spending = createSpending(endpoint.pricing, settings.maxCostUsd)
  const limit = provider.rateLimits.find(({ glob }) => globMatches(glob, endpoint.upstreamModel))
  const pace = createPace(limit?.requestsPerMinute, clock)
  const seen: Answered[] = []
  const probeOf = (protocol: Protocol) =>
    createProbe({
      endpoint,
      protocol,
      transport,
      clock,
      spending,
      pace,
      seen,
      authorize: (key) => options.authorize(protocol, key),
      extraHeaders: provider.access.kind === 'api_key' ? provider.access.extraHeaders : {},
      key: apiKey,
      blocked: blockedBy(provider, apiKey),
    })
  return {
    definition,
    listed,
    endpoint,
    canonical: known,
    document: fetched,
    protocols,
    allProtocols: options.protocols,
    probe: probeOf(preferred),
    probeOf,
    payment,
    clock,
    transport,
    settings,
  }
}

/** A provider that only sells answers gives none for nothing; one with keys needs a key. */
function blockedBy({ access, payment }: Provider, apiKey: string | undefined): string | undefined {
  if (apiKey !== undefined) return undefined
  if (access.kind === 'api_key') return `no key: set ${access.env}, or name another variable with --key-env`
  return asksToBePaid(payment) ? 'every answer has to be paid for; --pay buys one' : undefined
}

type Chosen = { readonly listed: ModelRow | undefined; readonly stated: ModelRow }

/** The document counts where it speaks, as it does for routing. */
function chooseModel({ definition, canonical, model }: CheckOptions, fetched: FetchedDocument | undefined): Chosen {
  const polled = fetched?.document?.rows ?? []
  const rows = [...definition.models, ...polled]
  const found =
    model === undefined
      ? (definition.models[0] ?? polled.find(({ isReady }) => isReady !== false) ?? polled[0])
      : rows.find((each) => each.upstreamModel === model || canonicalIdOf(canonical, each) === model)
  if (found === undefined) throw unknownModel(definition.provider.id, model, rows, fetched)
  const listed = definition.models.find(({ upstreamModel }) => upstreamModel === found.upstreamModel)
  const over = polled.find(({ upstreamModel }) => upstreamModel === found.upstreamModel)
  return { listed, stated: over === undefined || listed === undefined ? (over ?? found) : overlayRow(listed, over) }
}

function unknownModel(provider: string, model: string | undefined, rows: readonly ModelRow[], fetched: FetchedDocument | undefined) {
  const ids = rows.map(({ upstreamModel }) => upstreamModel)
  const nearest = model === undefined ? [] : nearestWords(model, ids, 3)
  const why = fetched?.problem === undefined ? '' : ` (its models document: ${fetched.problem})`
  const message =
    model === undefined ? `${provider} lists no model${why}` : `${provider} has no model ${JSON.stringify(model.slice(0, 100))}${why}`
  return new RouteplaneError('usage', message, {
    details: { problem: 'unknown_model' },
    ...(nearest.length === 0 ? {} : { hint: `Did you mean ${nearest.join(' or ')}?` }),
  })
}
