/** The shape of a provider's file in both of its spellings; what needs more than the shape is judged in `manifest.ts`. */
import * as z from 'zod'
import { features } from '../completion/features.ts'
import type { ProtocolId } from '../protocol/protocol.ts'
import { findCredential, isSecretHeader } from './credential.ts'
import type { ProtocolRule, RateLimit } from './endpoint.ts'
import { isCanonicalModelId, isUpstreamModelId, providerIdProblem } from './model-id.ts'
import { paymentSchema } from './payment-block.ts'
import { pricingPerMillion } from './pricing-block.ts'
import { complain } from './problem.ts'
import { protocolNames, type ProtocolName } from './protocol-name.ts'
import { block, count, day, email, flag, line, listOrOne, oneOf, quoted, share } from './scalar.ts'
import { link } from './source-url.ts'

const MAX_MODELS = 2_000
const MAX_RULES = 64
const MAX_PER_MINUTE = 1_000_000_000

const protocolWords = Object.keys(protocolNames) as readonly ProtocolName[]
const protocol = oneOf(protocolWords, 'unknown_protocol').transform((word): ProtocolId => protocolNames[word])

/** One format, or several with the most preferred first. */
const protocolList = listOrOne(protocol, 4)

const glob = z.string().superRefine((text, context) => {
  if (text.length > 200 || !/^(?:\*|[^*\s]+\*?)$/.test(text)) {
    complain(context, 'invalid_glob', `${quoted(text)} is not a model id, a beginning of one with "*" at its end, or "*"`)
  }
})

/** A list of single-key maps, as registry files write rules, so that their order can be seen. */
function globMap<Value extends z.ZodType>(value: Value) {
  const entry = z.record(glob, value).superRefine((map, context) => {
    if (Object.keys(map).length !== 1) complain(context, 'invalid_rule', 'write one glob for each list item, such as - "*": openai')
  })
  return z
    .array(entry)
    .min(1)
    .max(MAX_RULES)
    .transform((maps) => maps.flatMap((map) => Object.entries(map as Record<string, z.output<Value>>)))
}

const protocolRules = globMap(protocolList).transform((entries) =>
  entries.map(([key, protocols]): ProtocolRule => ({ glob: key, protocols })),
)

/** A word, a list of words, or a list of rules by glob. */
const apiProtocol = z.unknown().transform((value, context): readonly ProtocolRule[] => {
  const hasRules = Array.isArray(value) && value.some((item) => typeof item === 'object')
  const schema = hasRules ? protocolRules : protocolList.transform((protocols): ProtocolRule[] => [{ glob: '*', protocols }])
  return passOn(schema.safeParse(value), context)
})

/** Hands the verdict of an inner schema to the outer one. */
function passOn<Output>(result: z.ZodSafeParseResult<Output>, context: z.RefinementCtx): Output {
  if (result.success) return result.data
  for (const issue of result.error.issues) {
    const params = issue.code === 'custom' ? issue.params : undefined
    context.addIssue({ code: 'custom', message: issue.message, path: [...issue.path], ...(params === undefined ? {} : { params }) })
  }
  return z.NEVER
}

const limits = block({ requests_per_minute: count(1, MAX_PER_MINUTE).optional(), tokens_per_minute: count(1, MAX_PER_MINUTE).optional() })

type LimitFields = z.output<typeof limits>

/** Gives the limits of the models a glob covers. */
export function rateLimitOf(key: string, fields: LimitFields): RateLimit {
  return {
    glob: key,
    ...(fields.requests_per_minute === undefined ? {} : { requestsPerMinute: fields.requests_per_minute }),
    ...(fields.tokens_per_minute === undefined ? {} : { tokensPerMinute: fields.tokens_per_minute }),
  }
}

const rateLimits = globMap(limits).transform((entries) => entries.map(([key, fields]) => rateLimitOf(key, fields)))

const modelId = z.string().superRefine((id, context) => {
  if (!isUpstreamModelId(id)) complain(context, 'invalid_id', `${quoted(id)} is not a model id`)
})

const canonicalId = z.string().superRefine((id, context) => {
  if (!isCanonicalModelId(id)) complain(context, 'invalid_id', `${quoted(id)} is not a canonical id: "maker/name" in lower case`)
})

const inlineModel = block({
  id: canonicalId,
  provider_model_id: modelId.optional(),
  name: line(200, 'invalid_name').optional(),
  api_protocol: protocolList.optional(),
  pricing: pricingPerMillion.optional(),
  capabilities: z.array(oneOf(features)).max(features.length).optional(),
  context_length: count(1, 1_000_000_000).optional(),
  max_output_tokens: count(1, 1_000_000_000).optional(),
  rate_limits: limits.optional(),
  is_ready: flag.optional(),
  deprecation_date: day.optional(),
})

export type InlineModelFields = z.output<typeof inlineModel>

const inlineModels = z
  .array(inlineModel)
  .max(MAX_MODELS)
  .superRefine((models, context) => {
    const seen = new Set<string>()
    models.forEach((model, index) => {
      const id = model.provider_model_id ?? model.id
      if (seen.has(id)) complain(context, 'duplicate_model', `${quoted(id)} is listed twice`, [index])
      seen.add(id)
    })
  })

const headerName = z
  .string()
  .superRefine((name, context) => {
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name)) complain(context, 'invalid_header', `${quoted(name)} is not a header name`)
  })
  .transform((name) => name.toLowerCase())

const headerValue = z.string().superRefine((value, context) => {
  if (!/^[\x20-\x7e]{0,512}$/.test(value)) complain(context, 'invalid_header', 'a header value is up to 512 printable ASCII characters')
})

/** What is written here is the same for every user of the provider, and the whole world can read it. */
const extraHeaders = z.record(headerName, headerValue).superRefine((headers, context) => {
  for (const name of Object.keys(headers)) {
    if (isSecretHeader(name))
      complain(context, 'credential_in_file', `${quoted(name)} carries a secret: name its variable with auth.env`, [name])
  }
})

const auth = block({
  kind: oneOf(['bearer', 'header', 'oauth', 'native']),
  env: z.string().optional(),
  header: headerName.optional(),
  extra_headers: extraHeaders.optional(),
}).superRefine((fields, context) => {
  if (fields.kind === 'header' && fields.header === undefined)
    complain(context, 'header_required', 'kind "header" needs the name of one', ['header'])
  if (fields.kind === 'oauth') complain(context, 'unsupported_auth', 'a subscription is not something a manifest can offer', ['kind'])
})

export type AuthFields = z.output<typeof auth>

const autoSync = block({
  feed: oneOf(['v1_models', 'models_dev']),
  url: z.string().optional(),
  key: line(64).optional(),
  writes: listOrOne(oneOf(['models', 'pricing']), 2).optional(),
})

/** Both spellings in one: which keys exclude each other is said below. */
export const manifestSchema = block({
  id: z.string().optional(),
  name: z.string().optional(),
  display_name: line(100, 'invalid_name').optional(),
  endpoint: z.string().optional(),
  api_base: z.string().optional(),
  protocol: apiProtocol.optional(),
  api_protocol: apiProtocol.optional(),
  models_url: z.string().optional(),
  auto_sync: autoSync.optional(),
  models: inlineModels.optional(),
  payment: paymentSchema.optional(),
  auth: auth.optional(),
  status: oneOf(['active', 'staging', 'suspended', 'withdrawn']).default('active'),
  weight: share.optional(),
  rate_limits: rateLimits.optional(),
  rpm: count(1, MAX_PER_MINUTE).optional(),
  homepage: link.optional(),
  support: link.optional(),
  contact: email.optional(),
  doc_url: link.optional(),
  kind: oneOf(['first_party', 'gateway', 'cloud', 'third_party', 'managed']).default('third_party'),
  community: flag.optional(),
  billing: oneOf(['token', 'subscription']).optional(),
}).superRefine((fields, context) => {
  const secret = findCredential(fields)
  if (secret !== undefined)
    complain(context, 'credential_in_file', 'this looks like a key or a token, and the file is public: take it out and revoke it', [
      ...secret,
    ])
  checkNames(fields, context)
  if (fields.endpoint === undefined && fields.api_base === undefined) {
    complain(context, 'missing_key', 'the base URL is missing', ['endpoint'])
  }
  for (const [one, other] of spellings) {
    if (fields[one] !== undefined && fields[other] !== undefined) {
      complain(context, 'conflicting_keys', `${one} and ${other} say the same thing; keep one`, [other])
    }
  }
})

type NameFields = { readonly id?: string | undefined; readonly name?: string | undefined }

/** With an `id`, `name` is what people see; without one it is the id itself. */
function checkNames({ id, name }: NameFields, context: z.RefinementCtx): void {
  const own = id ?? name
  const problem = own === undefined ? 'is missing' : providerIdProblem(own)
  if (problem !== undefined) {
    complain(context, 'invalid_id', `${own === undefined ? 'the id' : quoted(own)} ${problem}`, [id === undefined ? 'name' : 'id'])
  }
  if (id === undefined || name === undefined) return
  const shown = line(100, 'invalid_name').safeParse(name)
  if (!shown.success) complain(context, 'invalid_name', shown.error.issues[0]?.message ?? 'is not a name', ['name'])
}

const spellings = [
  ['endpoint', 'api_base'],
  ['protocol', 'api_protocol'],
  ['models_url', 'auto_sync'],
] as const

export type ManifestFields = z.output<typeof manifestSchema>
