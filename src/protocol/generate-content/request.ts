/** Decodes a generateContent request into the neutral one. */
import type {
  CompletionRequest,
  JsonSchema,
  MediaContent,
  OutputFormat,
  OutputModality,
  ReasoningConfig,
  Sampling,
  UnknownField,
} from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'
import { levelToEffort } from '../reasoning-effort.ts'
import { decodeContents, decodeResolution, decodeSystem } from './contents.ts'
import { unknownFields, unspecified } from './modelled.ts'
import { fromOpenApi } from './open-api-schema.ts'
import { readForm, readPath } from './path.ts'
import { normalise, readGenerateRequest, type GenerateRequest, type GenerationConfig } from './schema.ts'
import { decodeToolChoice, decodeTools } from './tools.ts'

/** The key under which {@link CompletionRequest.account} keeps the form of a stream that is no event stream. */
export const STREAM_FORM = 'alt'

/** @throws RouteplaneError `invalid_request` naming the JSON path; `not_found` for a path that is no completion. */
export function decodeRequest(wire: WireRequest): CompletionRequest {
  const { model, method } = readPath(wire.path)
  const form = readForm(wire, method)
  const normalised = normalise(wire.json)
  const json = readGenerateRequest(normalised)
  const config = json.generationConfig ?? {}
  const unknown = unknownFields(normalised)
  const stream = method === 'streamGenerateContent'
  return defined({
    toolChoice: decodeToolChoice(json),
    maxOutputTokens: config.maxOutputTokens ?? undefined,
    reasoning: decodeReasoning(config.thinkingConfig),
    model,
    system: decodeSystem(json.systemInstruction),
    turns: decodeContents(json.contents, unknown, decodeDetail(config, unknown)),
    tools: decodeTools(json),
    sampling: decodeSampling(config),
    stop: (config.stopSequences ?? []).filter((sequence) => sequence !== ''),
    candidates: config.candidateCount ?? 1,
    output: decodeOutput(config),
    outputModalities: decodeModalities(config.responseModalities),
    stream,
    state: defined({ cachedContent: named(json.cachedContent), continuationToken: named(json.continuationToken) }),
    account: { ...decodeAccount(json), ...(stream && form === 'array' ? { [STREAM_FORM]: 'json' } : {}) },
    unknown,
  })
}

function named(value: string | null | undefined): string | undefined {
  return value === null || value === '' ? undefined : value
}

/** A resolution that no other wire has a word for is kept as unknown, to be reported. */
function decodeDetail({ mediaResolution: level }: GenerationConfig, unknown: UnknownField[]): MediaContent['detail'] {
  const detail = decodeResolution(level)
  if (detail === undefined && level !== undefined && !unspecified.has(level))
    unknown.push({ path: 'generationConfig.mediaResolution', value: level })
  return detail
}

function decodeSampling(config: GenerationConfig): Sampling {
  return defined({
    temperature: config.temperature ?? undefined,
    topP: config.topP ?? undefined,
    topK: config.topK ?? undefined,
    frequencyPenalty: config.frequencyPenalty ?? undefined,
    presencePenalty: config.presencePenalty ?? undefined,
    seed: config.seed ?? undefined,
    logprobs: config.responseLogprobs ?? undefined,
    topLogprobs: config.logprobs ?? undefined,
  })
}

/** @see https://ai.google.dev/api/generate-content#ThinkingConfig: a budget of 0 is none, −1 the model's own choice. */
function decodeReasoning(thinking: GenerationConfig['thinkingConfig']): ReasoningConfig | undefined {
  if (thinking === undefined || thinking === null) return undefined
  const { includeThoughts, thinkingBudget: budget, thinkingLevel: level } = thinking
  const hasBudget = budget !== undefined && budget !== null
  const effort = hasBudget && budget === 0 ? ('none' as const) : decodeLevel(level)
  return defined({
    effort,
    budgetTokens: hasBudget && budget > 0 ? budget : undefined,
    adaptive: hasBudget && budget < 0 ? true : undefined,
    display: includeThoughts === true ? ('summarized' as const) : includeThoughts === false ? ('omitted' as const) : undefined,
  })
}

function decodeLevel(level: string | null | undefined): ReasoningConfig['effort'] {
  if (level === undefined || level === null || level === 'THINKING_LEVEL_UNSPECIFIED') return undefined
  const effort = levelToEffort(level)
  if (effort !== undefined) return effort
  throw invalidRequest('generationConfig.thinkingConfig.thinkingLevel', 'must be MINIMAL, LOW, MEDIUM or HIGH')
}

/** @see https://ai.google.dev/gemini-api/docs/structured-output */
function decodeOutput(config: GenerationConfig): OutputFormat {
  const mimeType = config.responseMimeType ?? ''
  const schema = decodeSchema(config)
  if (mimeType === 'text/x.enum') {
    const values = isRecord(schema) && Array.isArray(schema['enum']) ? schema['enum'].filter((one) => typeof one === 'string') : []
    if (values.length > 0) return { kind: 'enum', values }
    throw invalidRequest('generationConfig.responseSchema', 'must list the values of the enum')
  }
  if (mimeType !== '' && mimeType !== 'text/plain' && mimeType !== 'application/json') {
    throw invalidRequest('generationConfig.responseMimeType', 'must be text/plain, application/json or text/x.enum')
  }
  if (schema !== undefined) return { kind: 'schema', schema }
  return mimeType === 'application/json' ? { kind: 'json' } : { kind: 'text' }
}

function decodeSchema({ responseSchema, responseJsonSchema: schema }: GenerationConfig): JsonSchema | undefined {
  if (isRecord(responseSchema)) {
    if (schema !== undefined && schema !== null) throw invalidRequest('generationConfig', 'has both responseSchema and responseJsonSchema')
    return fromOpenApi(responseSchema)
  }
  if (schema === undefined || schema === null) return undefined
  if (isRecord(schema) || typeof schema === 'boolean') return schema
  throw invalidRequest('generationConfig.responseJsonSchema', 'must be a JSON Schema')
}

function decodeModalities(asked: GenerationConfig['responseModalities']): readonly OutputModality[] {
  const wanted = (asked ?? []).filter((modality) => modality !== 'MODALITY_UNSPECIFIED')
  if (wanted.length === 0) return ['text']
  return wanted.map((given, index) => {
    const modality = given.toLowerCase()
    if (modality === 'text' || modality === 'image' || modality === 'audio') return modality
    throw invalidRequest(`generationConfig.responseModalities[${index}]`, 'must be TEXT, IMAGE or AUDIO')
  })
}

/** Tiers go by the names that most wires have for them. */
const tiers: Readonly<Record<string, string>> = { standard: 'default', flex: 'flex', priority: 'priority' }

function decodeAccount(json: GenerateRequest): Readonly<Record<string, unknown>> {
  const tier = (json.serviceTier ?? '').toLowerCase().replace(/^service_tier_/, '')
  const isNamed = tier !== '' && tier !== 'unspecified'
  return defined({
    metadata: json.labels === null || json.labels === undefined || Object.keys(json.labels).length === 0 ? undefined : json.labels,
    service_tier: isNamed ? (Object.hasOwn(tiers, tier) ? tiers[tier] : tier) : undefined,
    store: json.store ?? undefined,
  })
}
