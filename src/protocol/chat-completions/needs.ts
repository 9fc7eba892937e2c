/** Reads off a Chat Completions request what routing and pricing must know, without decoding all of it. */
import type { Feature, Modality, Needs, SamplingParameter } from '../../completion/features.ts'
import { modalities, samplingParameters } from '../../completion/features.ts'
import { isRecord } from '../../lib/json.ts'
import {
  addImage,
  addMedia,
  charactersOf,
  createMediaCount,
  inlineCharactersOf,
  inputNeeds,
  TEXT,
  type MediaCount,
} from '../media-count.ts'
import { toolCount } from '../tool-count.ts'
import type { ChatRequest, Part } from './schema.ts'

/** Computes the needs. */
export function chatNeeds(json: ChatRequest, bodyBytes: number): Needs {
  const input = inputNeeds(mediaOf(json), { bodyBytes, messages: json.messages.length, tools: toolsIn(json) })
  const maxOutputTokens = json.max_completion_tokens ?? json.max_tokens
  return {
    features: featuresOf(json),
    samplingParameters: samplingOf(json),
    inputModalities: input.inputModalities,
    outputModalities: outputModalitiesOf(json.modalities),
    maxInputTokens: input.maxInputTokens,
    expectedInputTokens: input.expectedInputTokens,
    images: input.images,
    candidates: json.n ?? 1,
    stream: json.stream ?? false,
    ...(maxOutputTokens === undefined || maxOutputTokens === null ? {} : { maxOutputTokens }),
  }
}

function toolsIn(json: ChatRequest): number {
  return toolCount(json.tools, json.functions)
}

function featuresOf(json: ChatRequest): readonly Feature[] {
  const format = json.response_format?.type
  const wanted: Feature[] = []
  if (toolsIn(json) > 0) wanted.push('tools')
  if (format === 'json_object') wanted.push('json_mode')
  if (format === 'json_schema') wanted.push('structured_outputs')
  if (json.logprobs === true) wanted.push('logprobs')
  if (json.web_search_options !== undefined && json.web_search_options !== null) wanted.push('web_search')
  if (wantsReasoning(json)) wanted.push('reasoning')
  return wanted
}

function wantsReasoning({ reasoning_effort: effort, reasoning, enable_thinking: thinking }: ChatRequest): boolean {
  if (effort !== undefined && effort !== null) return effort !== 'none'
  if (reasoning !== undefined && reasoning !== null) return reasoning.enabled !== false && reasoning.effort !== 'none'
  return thinking === true
}

function samplingOf(json: ChatRequest): readonly SamplingParameter[] {
  const limit = json.max_completion_tokens ?? json.max_tokens
  const given: SamplingParameter[] = []
  for (const name of samplingParameters) {
    const value = name === 'max_tokens' ? limit : json[name]
    if (value !== undefined && value !== null) given.push(name)
  }
  return given
}

function outputModalitiesOf(asked: readonly string[] | null | undefined): readonly Modality[] {
  if (asked === undefined || asked === null) return TEXT
  const known = modalities.filter((modality) => asked.includes(modality))
  return known.length === 0 ? TEXT : known
}

function mediaOf(json: ChatRequest): MediaCount {
  const count = createMediaCount()
  for (const message of json.messages) {
    if (Array.isArray(message.content)) for (const part of message.content) addPart(count, part)
    if (message.role === 'assistant' && message.audio !== undefined && message.audio !== null) addMedia(count, 'audio', 0)
  }
  return count
}

function addPart(count: MediaCount, part: Part): void {
  const given = part[part.type]
  const inner = isRecord(given) ? given : {}
  switch (part.type) {
    case 'image_url':
      addImage(count, inlineCharactersOf(inner['url']), inner['detail'])
      break
    case 'input_audio':
      addMedia(count, 'audio', charactersOf(inner['data']))
      break
    case 'file':
      addMedia(count, 'file', charactersOf(inner['file_data']))
      break
    case 'video_url':
      addMedia(count, 'video', inlineCharactersOf(inner['url']))
      break
    default:
      break
  }
}
