/** Reads off a Chat Completions request what routing and pricing must know, without decoding all of it. */
import type { Feature, Modality, Needs, SamplingParameter } from '../../completion/features.ts'
import { modalities, samplingParameters } from '../../completion/features.ts'
import { isRecord } from '../../lib/json.ts'
import {
  IMAGE_TOKENS,
  LOW_DETAIL_IMAGE_TOKENS,
  MESSAGE_TOKENS,
  REQUEST_TOKENS,
  TOKENS_PER_MEDIA_CHARACTER,
  TOOLS_TOKENS,
  TYPICAL_BYTES_PER_TOKEN,
  TYPICAL_IMAGE_TOKENS,
  UNSEEN_FILE_TOKENS,
} from '../token-bounds.ts'
import type { ChatRequest, Part } from './schema.ts'

const TEXT: readonly Modality[] = ['text']

/** What the parts of all messages amount to. */
type Media = {
  images: number
  /** Characters of inline media: bytes of the body that are not text. */
  characters: number
  /** Most tokens that media may count for. */
  tokens: number
  readonly modalities: Set<Modality>
}

/**
 * Computes the needs.
 *
 * The bound on input tokens counts one token a byte of the body, inline media excepted: every tokenizer in use spends at
 * least a byte on a token, and JSON's own quotes, names and escapes only add to what is counted. So no text-bearing field
 * can be forgotten, also none that is not modelled here.
 */
export function chatNeeds(json: ChatRequest, bodyBytes: number): Needs {
  const media = mediaOf(json)
  const textBytes = Math.max(0, bodyBytes - media.characters)
  const toolTokens = hasTools(json) ? TOOLS_TOKENS : 0
  const typical = Math.ceil(textBytes / TYPICAL_BYTES_PER_TOKEN) + media.images * TYPICAL_IMAGE_TOKENS
  const maxOutputTokens = json.max_completion_tokens ?? json.max_tokens
  return {
    features: featuresOf(json),
    samplingParameters: samplingOf(json),
    inputModalities:
      media.modalities.size === 0 ? TEXT : modalities.filter((modality) => modality === 'text' || media.modalities.has(modality)),
    outputModalities: outputModalitiesOf(json.modalities),
    maxInputTokens: textBytes + media.tokens + json.messages.length * MESSAGE_TOKENS + REQUEST_TOKENS + toolTokens,
    expectedInputTokens: typical,
    images: media.images,
    candidates: json.n ?? 1,
    stream: json.stream ?? false,
    ...(maxOutputTokens === undefined || maxOutputTokens === null ? {} : { maxOutputTokens }),
  }
}

function hasTools(json: ChatRequest): boolean {
  return (json.tools?.length ?? 0) > 0 || (json.functions?.length ?? 0) > 0
}

function featuresOf(json: ChatRequest): readonly Feature[] {
  const format = json.response_format?.type
  const wanted: Feature[] = []
  if (hasTools(json)) wanted.push('tools')
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

function mediaOf(json: ChatRequest): Media {
  const media: Media = { images: 0, characters: 0, tokens: 0, modalities: new Set() }
  for (const message of json.messages) {
    if (Array.isArray(message.content)) for (const part of message.content) addPart(media, part)
    if (message.role === 'assistant' && message.audio !== undefined && message.audio !== null) {
      media.modalities.add('audio')
      media.tokens += UNSEEN_FILE_TOKENS
    }
  }
  return media
}

function addPart(media: Media, part: Part): void {
  const inner = part[part.type]
  switch (part.type) {
    case 'image_url': {
      const image = isRecord(inner) ? inner : {}
      media.images++
      media.modalities.add('image')
      media.tokens += image['detail'] === 'low' ? LOW_DETAIL_IMAGE_TOKENS : IMAGE_TOKENS
      media.characters += inlineLength(image['url'])
      break
    }
    case 'input_audio':
      addInline(media, 'audio', isRecord(inner) ? inner['data'] : undefined)
      break
    case 'file':
      addInline(media, 'file', isRecord(inner) ? inner['file_data'] : undefined)
      break
    case 'video_url': {
      const url = isRecord(inner) ? inner['url'] : undefined
      addInline(media, 'video', inlineLength(url) > 0 ? url : undefined)
      break
    }
    default:
      break
  }
}

/** Adds media whose bytes are here, or, when they are not, the most that an unseen file may count for. */
function addInline(media: Media, modality: Modality, text: unknown): void {
  media.modalities.add(modality)
  if (typeof text === 'string' && text !== '') {
    media.characters += text.length
    media.tokens += text.length * TOKENS_PER_MEDIA_CHARACTER
  } else {
    media.tokens += UNSEEN_FILE_TOKENS
  }
}

function inlineLength(url: unknown): number {
  return typeof url === 'string' && /^data:/i.test(url) ? url.length : 0
}
