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
import { addImage, addMedia, createMediaCount, inputNeeds, TEXT, type MediaCount } from '../media-count.ts'
import { modalityOf } from './media.ts'
import { toolCount } from '../tool-count.ts'
import type { GenerateRequest, GenerationConfig } from './schema.ts'

/** A cached prefix is content that only the vendor has: at most the largest context there is. */
const CACHED_CONTENT_TOKENS = 2_097_152

/** Computes the needs. */
export function generateNeeds(json: GenerateRequest, bodyBytes: number, stream: boolean): Needs {
  const config = json.generationConfig ?? {}
  const count = mediaOf(json)
  if (isGiven(json.cachedContent) || isGiven(json.continuationToken)) count.tokens += CACHED_CONTENT_TOKENS
  return defined({
    features: featuresOf(json, config),
    samplingParameters: samplingOf(config),
    outputModalities: outputModalitiesOf(config.responseModalities),
    ...inputNeeds(count, {
      bodyBytes,
      messages: json.contents.length,
      tools: toolCount(...(json.tools ?? []).map(functionsIn)),
    }),
    maxOutputTokens: config.maxOutputTokens ?? undefined,
    candidates: config.candidateCount ?? 1,
    stream,
  })
}

/** A tool of the vendor's own, or an empty list of functions, counts as one. */
function functionsIn(tool: NonNullable<GenerateRequest['tools']>[number]): readonly unknown[] {
  const { functionDeclarations } = tool
  return (functionDeclarations?.length ?? 0) > 0 ? (functionDeclarations ?? []) : [tool]
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
  return known.length === 0 ? TEXT : known
}

function mediaOf(json: GenerateRequest): MediaCount {
  const count = createMediaCount()
  const system = json.systemInstruction
  const contents = typeof system === 'object' && system !== null ? [...json.contents, system] : json.contents
  for (const { parts } of contents) {
    for (const part of parts) for (const each of [part, ...(part.functionResponse?.parts ?? [])]) addPart(count, each)
  }
  return count
}

type MediaPart = {
  readonly inlineData?: { readonly mimeType?: string | null | undefined; readonly data: string } | null | undefined
  readonly fileData?: { readonly mimeType?: string | null | undefined; readonly fileUri: string } | null | undefined
}

function addPart(count: MediaCount, { inlineData, fileData }: MediaPart): void {
  const given = inlineData ?? fileData
  if (given === undefined || given === null) return
  const modality = modalityOf(given.mimeType ?? '')
  const characters = inlineData?.data.length ?? 0
  if (modality === 'image') addImage(count, characters)
  else addMedia(count, modality, characters)
}
