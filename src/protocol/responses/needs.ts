/** Reads off a Responses request what routing and pricing must know, without decoding all of it. */
import type { Feature, Modality, Needs, SamplingParameter } from '../../completion/features.ts'
import { modalities, samplingParameters } from '../../completion/features.ts'
import { defined } from '../../lib/defined.ts'
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
import { itemType, type Item } from './item-schema.ts'
import type { ResponsesRequest } from './schema.ts'
import { isWebSearch, needsHosted } from './tools.ts'

/** What the parts of all items amount to. */
type Media = {
  images: number
  /** Characters of inline media: bytes of the body that are not text. */
  characters: number
  /** Most tokens that media, and history that only its id stands for, may count for. */
  tokens: number
  readonly modalities: Set<Modality>
}

/**
 * Computes the needs.
 *
 * The bound on input tokens counts one token a byte of the body, inline media excepted (as on Chat Completions); history that
 * stands at the vendor under an id counts as much as a file nobody has seen.
 */
export function responsesNeeds(json: ResponsesRequest, bodyBytes: number): Needs {
  const items = Array.isArray(json.input) ? json.input : []
  const media: Media = { images: 0, characters: 0, tokens: 0, modalities: new Set() }
  for (const item of items) addItem(media, item)
  media.tokens += unseenHistories(json, items) * UNSEEN_FILE_TOKENS
  const textBytes = Math.max(0, bodyBytes - media.characters)
  const toolTokens = (json.tools?.length ?? 0) > 0 ? TOOLS_TOKENS : 0
  const typical = Math.ceil(textBytes / TYPICAL_BYTES_PER_TOKEN) + media.images * TYPICAL_IMAGE_TOKENS
  return defined({
    features: featuresOf(json),
    samplingParameters: samplingOf(json),
    inputModalities: modalities.filter((modality) => modality === 'text' || media.modalities.has(modality)),
    outputModalities: outputModalitiesOf(json),
    maxInputTokens: textBytes + media.tokens + (items.length + 1) * MESSAGE_TOKENS + REQUEST_TOKENS + toolTokens,
    expectedInputTokens: typical,
    maxOutputTokens: json.max_output_tokens ?? undefined,
    images: media.images,
    candidates: 1,
    stream: json.stream ?? false,
  })
}

function unseenHistories(json: ResponsesRequest, items: readonly Item[]): number {
  const ids = [json.previous_response_id, json.conversation, json.prompt].filter((id) => id !== undefined && id !== null)
  return ids.length + items.filter((item) => itemType(item) === 'item_reference').length
}

/** Agents declare a search with every request and live without it: only one that cannot be done without is a need. */
function featuresOf(json: ResponsesRequest): readonly Feature[] {
  const format = json.text?.format?.type
  const effort = json.reasoning?.effort
  const wanted: Readonly<Record<Feature, boolean>> = {
    tools: json.tools?.some((tool) => !isWebSearch(tool)) === true,
    json_mode: format === 'json_object',
    structured_outputs: format === 'json_schema',
    logprobs: json.include?.includes('message.output_text.logprobs') === true,
    web_search: needsHosted(json, isWebSearch),
    reasoning: effort !== undefined && effort !== null && effort !== 'none',
  }
  return (Object.keys(wanted) as Feature[]).filter((feature) => wanted[feature])
}

function samplingOf(json: ResponsesRequest): readonly SamplingParameter[] {
  const given: Partial<Record<SamplingParameter, unknown>> = {
    temperature: json.temperature,
    top_p: json.top_p,
    presence_penalty: json.presence_penalty,
    frequency_penalty: json.frequency_penalty,
    max_tokens: json.max_output_tokens,
  }
  return samplingParameters.filter((name) => given[name] !== undefined && given[name] !== null)
}

function outputModalitiesOf(json: ResponsesRequest): readonly Modality[] {
  return needsHosted(json, ({ type }) => type === 'image_generation') ? ['text', 'image'] : ['text']
}

/** Media stand in messages and in tool outputs, and nowhere deeper. */
function addItem(media: Media, item: Item): void {
  const parts = [item['content'], item['output']].flatMap((content: unknown) =>
    Array.isArray(content) ? (content as readonly unknown[]) : [],
  )
  for (const part of parts) if (isRecord(part)) addPart(media, part)
}

function addPart(media: Media, part: Readonly<Record<string, unknown>>): void {
  switch (part['type']) {
    case 'input_image':
      media.images++
      media.modalities.add('image')
      media.tokens += part['detail'] === 'low' ? LOW_DETAIL_IMAGE_TOKENS : IMAGE_TOKENS
      media.characters += inlineLength(part['image_url'])
      break
    case 'input_file':
      addInline(media, 'file', part['file_data'])
      break
    case 'input_audio':
      addInline(media, 'audio', isRecord(part['input_audio']) ? part['input_audio']['data'] : undefined)
      break
    default:
      break
  }
}

/** Adds media whose bytes are here, or, when they are not, the most that an unseen file may count for. */
function addInline(media: Media, modality: Modality, data: unknown): void {
  media.modalities.add(modality)
  if (typeof data === 'string' && data !== '') {
    media.characters += data.length
    media.tokens += data.length * TOKENS_PER_MEDIA_CHARACTER
  } else {
    media.tokens += UNSEEN_FILE_TOKENS
  }
}

function inlineLength(url: unknown): number {
  return typeof url === 'string' && /^data:/i.test(url) ? url.length : 0
}
