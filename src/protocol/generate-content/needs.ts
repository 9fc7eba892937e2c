/** Reads off a generateContent request what routing and pricing must know, without decoding all of it. */
import {
  modalities,
  samplingParameters,
  type Feature,
  type Modality,
  type Needs,
  type SamplingParameter,
} from '../../completion/features.ts'
import { defined } from '../../lib/defined.ts'
import {
  IMAGE_TOKENS,
  MESSAGE_TOKENS,
  REQUEST_TOKENS,
  TOKENS_PER_MEDIA_CHARACTER,
  TOOLS_TOKENS,
  TYPICAL_BYTES_PER_TOKEN,
  TYPICAL_IMAGE_TOKENS,
  UNSEEN_FILE_TOKENS,
} from '../token-bounds.ts'
import { modalityOf } from './media.ts'
import type { GenerateRequest, GenerationConfig } from './schema.ts'

/** What the parts of all contents amount to. */
type Media = {
  images: number
  /** Characters of inline media: bytes of the body that are not text. */
  characters: number
  /** Most tokens that media may count for. */
  tokens: number
  readonly modalities: Set<Modality>
}

/** A cached prefix is content that only the vendor has: at most the largest context there is. */
const CACHED_CONTENT_TOKENS = 2_097_152

/** Computes the needs; the bound counts one token a byte of the body, inline media excepted, as on every wire. */
export function generateNeeds(json: GenerateRequest, bodyBytes: number, stream: boolean): Needs {
  const media = mediaOf(json)
  const config = json.generationConfig ?? {}
  const textBytes = Math.max(0, bodyBytes - media.characters)
  const toolTokens = (json.tools?.length ?? 0) > 0 ? TOOLS_TOKENS : 0
  const unseen = isGiven(json.cachedContent) || isGiven(json.continuationToken) ? CACHED_CONTENT_TOKENS : 0
  return defined({
    features: featuresOf(json, config),
    samplingParameters: samplingOf(config),
    inputModalities: modalities.filter((modality) => modality === 'text' || media.modalities.has(modality)),
    outputModalities: outputModalitiesOf(config.responseModalities),
    maxInputTokens: textBytes + media.tokens + unseen + json.contents.length * MESSAGE_TOKENS + REQUEST_TOKENS + toolTokens,
    expectedInputTokens: Math.ceil(textBytes / TYPICAL_BYTES_PER_TOKEN) + media.images * TYPICAL_IMAGE_TOKENS,
    maxOutputTokens: config.maxOutputTokens ?? undefined,
    images: media.images,
    candidates: config.candidateCount ?? 1,
    stream,
  })
}

function isGiven(value: string | null | undefined): boolean {
  return value !== undefined && value !== null && value !== ''
}

function featuresOf(json: GenerateRequest, config: GenerationConfig): readonly Feature[] {
  const tools = json.tools ?? []
  const hasSchema = (config.responseSchema ?? config.responseJsonSchema ?? undefined) !== undefined
  const wanted: Readonly<Record<Feature, boolean>> = {
    tools: tools.some((tool) => (tool.functionDeclarations?.length ?? 0) > 0),
    json_mode: config.responseMimeType === 'application/json' && !hasSchema,
    structured_outputs: hasSchema,
    logprobs: config.responseLogprobs === true,
    web_search: tools.some((tool) => isRecordLike(tool['googleSearch']) || isRecordLike(tool['googleSearchRetrieval'])),
    reasoning: wantsReasoning(config.thinkingConfig),
  }
  return (Object.keys(wanted) as Feature[]).filter((feature) => wanted[feature])
}

function isRecordLike(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Asking to be shown thoughts, if there are any, needs no model that has them. */
function wantsReasoning(thinking: GenerationConfig['thinkingConfig']): boolean {
  const { thinkingBudget: budget, thinkingLevel: level } = thinking ?? {}
  if (budget !== undefined && budget !== null) return budget > 0
  return level === 'LOW' || level === 'MEDIUM' || level === 'HIGH'
}

function samplingOf(config: GenerationConfig): readonly SamplingParameter[] {
  const given: Readonly<Partial<Record<SamplingParameter, unknown>>> = {
    temperature: config.temperature,
    top_p: config.topP,
    top_k: config.topK,
    frequency_penalty: config.frequencyPenalty,
    presence_penalty: config.presencePenalty,
    stop: (config.stopSequences?.length ?? 0) > 0 ? config.stopSequences : undefined,
    seed: config.seed,
    max_tokens: config.maxOutputTokens,
  }
  return samplingParameters.filter((name) => given[name] !== undefined && given[name] !== null)
}

function outputModalitiesOf(asked: readonly string[] | null | undefined): readonly Modality[] {
  const names = asked?.map((name) => name.toLowerCase())
  const known = modalities.filter((modality) => names?.includes(modality))
  return known.length === 0 ? ['text'] : known
}

function mediaOf(json: GenerateRequest): Media {
  const media: Media = { images: 0, characters: 0, tokens: 0, modalities: new Set() }
  const system = json.systemInstruction
  const contents = typeof system === 'object' && system !== null ? [...json.contents, system] : json.contents
  for (const { parts } of contents) {
    for (const part of parts) for (const each of [part, ...(part.functionResponse?.parts ?? [])]) addPart(media, each)
  }
  return media
}

type MediaPart = {
  readonly inlineData?: { readonly mimeType?: string | null | undefined; readonly data: string } | null | undefined
  readonly fileData?: { readonly mimeType?: string | null | undefined; readonly fileUri: string } | null | undefined
}

function addPart(media: Media, { inlineData, fileData }: MediaPart): void {
  const given = inlineData ?? fileData
  if (given === undefined || given === null) return
  const modality = modalityOf(given.mimeType ?? '')
  media.modalities.add(modality)
  const inline = inlineData?.data.length ?? 0
  media.characters += inline
  if (modality === 'image') {
    media.images++
    media.tokens += IMAGE_TOKENS
  } else media.tokens += inline > 0 ? inline * TOKENS_PER_MEDIA_CHARACTER : UNSEEN_FILE_TOKENS
}
