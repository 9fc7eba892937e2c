/** Reads a provider's file, in either spelling, into a provider and the models it lists. */
import { checksumAddress, hasChecksum } from '../chain/checksum.ts'
import { defined } from '../lib/defined.ts'
import type { Path } from '../lib/path.ts'
import type { YamlText } from '../lib/yaml.ts'
import type { Provider, ProviderAccess, RateLimit } from './endpoint.ts'
import { manifestSchema, rateLimitOf, type AuthFields, type InlineModelFields, type ManifestFields } from './manifest-schema.ts'
import type { ModelRow, ProviderDefinition } from './model-row.ts'
import { payeesOf, type Payees } from './payees.ts'
import { paymentOf } from './payment-block.ts'
import { createProblem, manifestInvalid, problemsOfIssues, type Locate, type Problem } from './problem.ts'
import { closestFirst, DEFAULT_PROTOCOLS } from './protocol-name.ts'
import { quoted } from './scalar.ts'
import { readSourceUrl, type UrlRules } from './source-url.ts'
import { readRegistryYaml } from './yaml.ts'

export type ManifestOptions = {
  /** The name of the file without its ending; the id must equal it. */
  readonly expectedId?: string
  /** Named in errors. */
  readonly file?: string
  /** Whether the file may point at this machine (tests, a demo network). Never for a registry of strangers. */
  readonly allowLoopback?: boolean
}

/**
 * Reads one manifest of the registry.
 *
 * @throws RouteplaneError `manifest_invalid`; `details.problems` has every problem with its code, path, line and column.
 * @see Registry guide, "Provider Manifest"
 */
export async function parseManifest(text: string, options: ManifestOptions = {}): Promise<ProviderDefinition> {
  const { file } = options
  const yaml = readRegistryYaml(text, file === undefined ? {} : { file })
  const unquoted = unquotedAddress(yaml)
  if (unquoted !== undefined) throw manifestInvalid([unquoted], file)
  return readManifest(yaml.value, options, yaml.locate)
}

/**
 * Reads a manifest that is already taken apart, every scalar still text: one out of a built registry.
 *
 * @throws RouteplaneError `manifest_invalid` as {@link parseManifest}; without lines when nobody can say them.
 */
export async function readManifest(
  value: unknown,
  options: ManifestOptions = {},
  locate: Locate = () => undefined,
): Promise<ProviderDefinition> {
  const { file } = options
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) throw manifestInvalid(problemsOfIssues(parsed.error, locate), file)
  const problems: Problem[] = []
  const report: Report = (code, message, path) => problems.push(createProblem(code, message, path, locate(path)))
  const definition = await createDefinition(parsed.data, options, report)
  const [first, ...rest] = problems
  if (first !== undefined) throw manifestInvalid([first, ...rest], file)
  return definition
}

type Report = (code: string, message: string, path: Path) => void

const ADDRESS_PATH = ['payment', 'x402_address']

/**
 * Here every scalar stays text, so an address without quotes would be read well. Other readers of the same file make a number
 * of it and lose digits, so the file is refused before anybody relies on it.
 */
function unquotedAddress(yaml: YamlText): Problem | undefined {
  if (!yaml.isPlain(ADDRESS_PATH)) return undefined
  const message = 'an address must stand in quotes: without them YAML readers take 0x… for a number and lose its digits'
  return createProblem('address_not_string', message, ADDRESS_PATH, yaml.locate(ADDRESS_PATH))
}

async function createDefinition(fields: ManifestFields, options: ManifestOptions, report: Report): Promise<ProviderDefinition> {
  const id = fields.id ?? fields.name ?? ''
  checkFileName(id, fields.id === undefined ? 'name' : 'id', options.expectedId, report)
  const urls: UrlRules = { allowLoopback: options.allowLoopback ?? false, anyPort: false }
  const baseUrl = readUrl(fields, fields.endpoint === undefined ? ['api_base'] : ['endpoint'], urls, report)
  const provider: Provider = {
    id,
    name: displayNameOf(fields) ?? id,
    baseUrl: baseUrl ?? '',
    status: fields.status,
    kind: fields.kind,
    source: 'registry',
    access: accessOf(id, fields, report),
    payment: paymentOf(fields.payment, await readPayees(fields, report)),
    protocols: closestFirst(fields.protocol ?? fields.api_protocol ?? [{ glob: '*', protocols: DEFAULT_PROTOCOLS }]),
    rateLimits: rateLimitsOf(fields),
    weight: fields.weight ?? 1,
    ...defined({
      modelsUrl: readModelsUrl(fields, baseUrl, urls, report),
      homepage: fields.homepage,
      support: fields.support ?? fields.doc_url ?? fields.contact,
    }),
  }
  return { provider, models: (fields.models ?? []).map(rowOf) }
}

function checkFileName(id: string, key: string, expectedId: string | undefined, report: Report): void {
  if (expectedId === undefined || expectedId === id) return
  report('id_mismatch', `the id ${quoted(id)} is not the file's name ${quoted(expectedId)}`, [key])
}

/** With an `id`, `name` is what people see; without one it is the id itself. */
function displayNameOf(fields: ManifestFields): string | undefined {
  return fields.id === undefined ? fields.display_name : (fields.name ?? fields.display_name)
}

function readUrl(fields: ManifestFields, path: readonly string[], rules: UrlRules, report: Report): string | undefined {
  const text = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], fields)
  if (typeof text !== 'string') return undefined
  const read = readSourceUrl(text, rules)
  if ('url' in read) return read.url
  report(read.code, read.message, path)
  return undefined
}

/** A feed of another site cannot be polled for this provider; the provider's own can. */
function readModelsUrl(fields: ManifestFields, baseUrl: string | undefined, rules: UrlRules, report: Report): string | undefined {
  const withQuery = { ...rules, allowQuery: true }
  if (fields.models_url !== undefined) return readUrl(fields, ['models_url'], withQuery, report)
  if (fields.auto_sync?.feed !== 'v1_models') return undefined
  if (fields.auto_sync.url !== undefined) return readUrl(fields, ['auto_sync', 'url'], withQuery, report)
  return baseUrl === undefined ? undefined : `${baseUrl}/models`
}

/** @see https://eips.ethereum.org/EIPS/eip-55 */
async function readPayees(fields: ManifestFields, report: Report): Promise<Payees> {
  const payees = payeesOf(fields.payment ?? {})
  const { payTo: address } = payees
  if (address === undefined) return payees
  const spelled = await checksumAddress(address)
  if (hasChecksum(address) && spelled !== address) {
    report('bad_checksum', 'the capitals of the address do not match its digits (EIP-55): at least one character is wrong', ADDRESS_PATH)
  }
  return { ...payees, payTo: spelled }
}

/** Headers the gateway writes itself, and those that speak for the user or for money. */
const RESERVED_HEADER =
  /^(?:host|connection|content-(?:length|type|encoding)|transfer-encoding|accept-encoding|te|upgrade|expect|cookie|authorization|proxy-.*|payment-.*|x-payment.*|x-routeplane-.*|idempotency-key)$/

function accessOf(id: string, fields: ManifestFields, report: Report): ProviderAccess {
  const takesKeys = fields.payment === undefined || fields.payment.modes.includes('byok')
  if (fields.auth === undefined && !takesKeys) return { kind: 'none' }
  const env = fields.auth?.env ?? defaultKeyVariable(id)
  if (!isOwnKeyVariable(id, env)) {
    report('env_not_allowed', `a manifest may only ask for ${defaultKeyVariable(id)}: any other would hand it somebody else's secret`, [
      'auth',
      'env',
    ])
  }
  const header = headerOf(fields.auth)
  if (header !== undefined && header !== 'authorization' && RESERVED_HEADER.test(header)) {
    report('invalid_header', `${quoted(header)} is written by Routeplane itself`, ['auth', 'header'])
  }
  const extraHeaders = fields.auth?.extra_headers ?? {}
  for (const name of Object.keys(extraHeaders)) {
    if (RESERVED_HEADER.test(name))
      report('invalid_header', `${quoted(name)} is written by Routeplane itself`, ['auth', 'extra_headers', name])
  }
  return { kind: 'api_key', env, ...(header === undefined ? {} : { header }), extraHeaders }
}

/** `native` and silence leave the place of the key to the protocol. */
function headerOf(auth: AuthFields | undefined): string | undefined {
  if (auth?.kind === 'bearer') return 'authorization'
  return auth?.kind === 'header' ? auth.header : undefined
}

/** Gives the variable a provider's key is looked for in when nobody says: `<ID>_API_KEY`. */
function defaultKeyVariable(providerId: string): string {
  return `${providerId.toUpperCase().replaceAll('-', '_')}_API_KEY`
}

/**
 * Tells whether a variable can only hold this provider's own key: `<ID>_API_KEY` or `<ID>_API_TOKEN`.
 *
 * A manifest comes from strangers. One that could name any variable could have another provider's key sent to itself.
 */
function isOwnKeyVariable(providerId: string, variable: string): boolean {
  const own = defaultKeyVariable(providerId)
  return variable === own || variable === own.replace(/KEY$/, 'TOKEN')
}

function rateLimitsOf(fields: ManifestFields): readonly RateLimit[] {
  const ofModels = (fields.models ?? []).flatMap((model) =>
    model.rate_limits === undefined ? [] : [rateLimitOf(model.provider_model_id ?? model.id, model.rate_limits)],
  )
  const ofAll = fields.rpm === undefined ? [] : [{ glob: '*', requestsPerMinute: fields.rpm }]
  return closestFirst([...ofModels, ...(fields.rate_limits ?? []), ...ofAll])
}

function rowOf(model: InlineModelFields): ModelRow {
  return {
    upstreamModel: model.provider_model_id ?? model.id,
    canonicalId: model.id,
    name: model.name,
    protocols: model.api_protocol,
    pricing: model.pricing,
    contextLength: model.context_length,
    maxOutputTokens: model.max_output_tokens,
    features: model.capabilities,
    isReady: model.is_ready,
    deprecationDate: model.deprecation_date,
  }
}
