/** Rows about what a listing states: names, prices, limits, capabilities, and where to ask. Nothing is sent. */
import type { Feature } from '../../completion/features.ts'
import { formatUsd, times, type Usd } from '../../money.ts'
import { globMatches } from '../protocol-name.ts'
import type { PriceTier } from '../pricing.ts'
import { row, stated, verdictOf, type Judgement, type Row, type RowGroup } from './row.ts'
import type { Subject } from './subject.ts'
import { asksToBePaid } from '../endpoint.ts'

export const listing: RowGroup = {
  id: 'listing',
  title: 'Listing',
  run: async (subject) => [...endpointRows(subject), ...modelRows(subject), ...priceRows(subject), ...capabilityRows(subject)],
}

function endpointRows(subject: Subject): readonly Row[] {
  const { definition, endpoint } = subject
  const { provider } = definition
  const { protocol, pathname } = new URL(provider.baseUrl)
  const version = /\/(v\d[\w.]*)/.exec(pathname)?.[1]
  const limit = provider.rateLimits.find(({ glob }) => globMatches(glob, endpoint.upstreamModel))
  const contact: Judgement =
    provider.support === undefined ? ['fail', 'no support, doc_url or contact is given'] : ['pass', provider.support]
  return [
    row('endpoint.base_url', 'gives its base URL', ['pass', provider.baseUrl]),
    row(
      'endpoint.https',
      'is reached over https',
      protocol === 'https:' ? ['pass', 'https'] : ['not_applicable', 'this machine, over http'],
    ),
    row('endpoint.versioning', 'carries the version of its API in the base URL', stated(version)),
    row('endpoint.staging', 'can be staged before it is live', ['pass', `status ${provider.status}`]),
    row('auth.method', 'says how it is authenticated with', ['pass', authText(subject)]),
    row('rate.rpm', 'states its limit of requests a minute', stated(limit?.requestsPerMinute)),
    row('rate.tpm', 'states its limit of tokens a minute', stated(limit?.tokensPerMinute)),
    row('basic.documentation', 'points at its documentation or homepage', stated(provider.homepage ?? provider.support)),
    row('after.support', 'names whom to reach', contact),
  ]
}

function authText({ definition: { provider }, protocols }: Subject): string {
  const { access, payment } = provider
  if (access.kind === 'none') return `no key; paid by ${payment.modes.join(', ')}`
  const shown = protocols[0]?.upstream.authorize('<key>') ?? {}
  const header = access.header ?? Object.keys(shown)[0] ?? 'authorization'
  const example = access.header === undefined ? (shown[header] ?? '<key>') : header === 'authorization' ? 'Bearer <key>' : '<key>'
  return `${header}: ${example}, from ${access.env}`
}

function modelRows({ endpoint, canonical, document, definition }: Subject): readonly Row[] {
  const own = findRow(document?.json, endpoint.upstreamModel)
  const created = typeof own?.['created'] === 'number' ? `created ${new Date(own['created'] * 1000).toISOString().slice(0, 10)}` : undefined
  const ids = definition.models.map(({ upstreamModel }) => upstreamModel)
  return [
    row('model.id', 'gives the model an id of its own', verdictOf(new Set(ids).size === ids.length, endpoint.upstreamModel)),
    row(
      'model.name',
      'gives the model a name',
      verdictOf(endpoint.name !== endpoint.upstreamModel || canonical !== undefined, endpoint.name),
    ),
    row('model.version', 'gives a version or a release date', stated(canonical?.releaseDate ?? created)),
    row('model.family', "names the model's family", stated(canonical?.family)),
    row('docs.description', 'describes the model', stated(canonical?.description)),
    row('spec.context', 'states the context length', stated(endpoint.contextLength, 'fail')),
    row('spec.max_output', 'states the most output tokens', stated(endpoint.maxOutputTokens, 'fail')),
    row('spec.cutoff', 'states the training cutoff', stated(canonical?.knowledgeCutoff)),
    row('spec.modality', 'states what goes in and out', [
      'pass',
      `${endpoint.inputModalities.join(', ')} → ${endpoint.outputModalities.join(', ')}`,
    ]),
  ]
}

/** The row of a models document as it was written, for members that routing does not use. */
function findRow(json: unknown, id: string): Record<string, unknown> | undefined {
  const rows = (json as { data?: unknown } | undefined)?.data
  if (!Array.isArray(rows)) return undefined
  return rows.find((each: unknown): each is Record<string, unknown> => (each as { id?: unknown } | null)?.id === id)
}

function priceRows({ endpoint }: Subject): readonly Row[] {
  const isSold = asksToBePaid(endpoint.provider.payment)
  const tiers = endpoint.pricing?.tiers
  const base = tiers?.[0]
  const price = (read: (tier: PriceTier) => Usd | undefined) => (base === undefined ? undefined : read(base))
  const takesImages = endpoint.inputModalities.includes('image')
  const makesImages = endpoint.outputModalities.includes('image')
  const image = price((tier) => tier.image)
  return [
    row('price.prompt', 'states the price of a million input tokens', perMillion(price((tier) => tier.prompt))),
    row('price.completion', 'states the price of a million output tokens', perMillion(price((tier) => tier.completion))),
    row('price.tiers', 'states tiers where it has them', [
      'pass',
      tiers === undefined || tiers.length < 2
        ? 'one price for every length'
        : `from ${tiers.map(({ fromInputTokens }) => fromInputTokens).join(', ')} input tokens`,
    ]),
    row('price.image_input', 'states the price of an input image', imagePrice(takesImages, image, isSold)),
    row('price.image_output', 'states the price of an output image', imagePrice(makesImages, image, isSold)),
  ]
}

function perMillion(price: Usd | undefined): Judgement {
  return price === undefined ? ['fail', 'not stated, and unknown is not free'] : ['pass', `$${formatUsd(times(price, 1_000_000n))}`]
}

/** Somebody who pays for each request needs to know the most it can cost. */
function imagePrice(applies: boolean, price: Usd | undefined, isSold: boolean): Judgement {
  if (!applies) return ['not_applicable', 'the model has no images']
  return price === undefined
    ? [isSold ? 'fail' : 'not_applicable', 'not stated: a request with images has no known cost']
    : ['pass', `$${formatUsd(price)}`]
}

function capabilityRows({ endpoint }: Subject): readonly Row[] {
  const says = (...wanted: readonly Feature[]): Judgement =>
    endpoint.features === undefined
      ? ['not_applicable', 'no capabilities are stated']
      : ['pass', wanted.some((feature) => endpoint.features?.includes(feature)) ? 'yes' : 'no']
  return [
    row('capability.tools', 'says whether it calls tools', says('tools')),
    row('capability.json', 'says whether it has a JSON mode', says('json_mode', 'structured_outputs')),
    row('capability.vision', 'says whether it sees', ['pass', endpoint.inputModalities.includes('image') ? 'yes' : 'no']),
  ]
}
