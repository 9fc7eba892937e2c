/** Reads off a Messages request what routing and pricing must know, without decoding all of it. */
import type { Feature, Modality, Needs, SamplingParameter } from '../../completion/features.ts'
import { modalities, samplingParameters } from '../../completion/features.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
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
import { familyOf } from './client-tools.ts'
import type { Block, CountRequest, WireTool } from './schema.ts'

/** What the blocks of all messages amount to. */
type Media = {
  images: number
  /** Characters of inline media: bytes of the body that are not text. */
  characters: number
  /** Most tokens that media may count for. */
  tokens: number
  readonly modalities: Set<Modality>
}

/** Families that run at the vendor: what they find is read by the model, and counts as its input. */
const reading: ReadonlySet<string> = new Set(['web_search', 'web_fetch', 'code_execution', 'mcp_toolset', 'advisor'])

/**
 * Computes the needs. The bound on input tokens counts one token a byte of the body, inline media excepted; each tool that
 * reads on its own adds as much as an unseen file may take.
 */
export function messagesNeeds(json: CountRequest, bodyBytes: number): Needs {
  const media = mediaOf(json)
  const textBytes = Math.max(0, bodyBytes - media.characters)
  const tools = json.tools ?? []
  const toolTokens = tools.length === 0 ? 0 : TOOLS_TOKENS + tools.filter(isReading).length * UNSEEN_FILE_TOKENS
  return defined({
    features: featuresOf(json),
    samplingParameters: samplingOf(json),
    inputModalities: modalities.filter((modality) => modality === 'text' || media.modalities.has(modality)),
    outputModalities: ['text'] as const,
    maxInputTokens: textBytes + media.tokens + json.messages.length * MESSAGE_TOKENS + REQUEST_TOKENS + toolTokens,
    expectedInputTokens: Math.ceil(textBytes / TYPICAL_BYTES_PER_TOKEN) + media.images * TYPICAL_IMAGE_TOKENS,
    maxOutputTokens: json.max_tokens ?? undefined,
    images: media.images,
    candidates: 1,
    stream: json.stream ?? false,
  })
}

function isReading({ type }: WireTool): boolean {
  return typeof type === 'string' && reading.has(familyOf(type))
}

/**
 * A search tool beside others is a convenience of the agent, and so is thinking as much as the model likes: only who asks for
 * nothing else, or for a budget, needs them.
 */
function featuresOf(json: CountRequest): readonly Feature[] {
  const tools = json.tools ?? []
  const searches = tools.filter(({ type }) => typeof type === 'string' && familyOf(type) === 'web_search')
  const wanted: Readonly<Record<Feature, boolean>> = {
    tools: tools.length > searches.length,
    json_mode: false,
    structured_outputs: (json.output_config?.format ?? json.output_format)?.type === 'json_schema',
    logprobs: false,
    web_search: searches.length > 0 && searches.length === tools.length,
    reasoning: json.thinking?.type === 'enabled',
  }
  return (Object.keys(wanted) as Feature[]).filter((feature) => wanted[feature])
}

function samplingOf(json: CountRequest): readonly SamplingParameter[] {
  const given: Partial<Readonly<Record<SamplingParameter, unknown>>> = {
    temperature: json.temperature,
    top_p: json.top_p,
    top_k: json.top_k,
    stop: json.stop_sequences,
    max_tokens: json.max_tokens,
  }
  return samplingParameters.filter((name) => given[name] !== undefined && given[name] !== null)
}

function mediaOf(json: CountRequest): Media {
  const media: Media = { images: 0, characters: 0, tokens: 0, modalities: new Set() }
  for (const { content } of json.messages) if (typeof content !== 'string') for (const block of content) addBlock(media, block)
  return media
}

function addBlock(media: Media, block: Block): void {
  const source = isRecord(block['source']) ? block['source'] : {}
  switch (block.type) {
    case 'image':
      media.images++
      media.modalities.add('image')
      media.tokens += IMAGE_TOKENS
      media.characters += source['type'] === 'base64' ? lengthOf(source['data']) : 0
      break
    case 'document':
      addDocument(media, source)
      break
    case 'container_upload':
      media.tokens += UNSEEN_FILE_TOKENS
      break
    case 'tool_result':
      for (const inner of blocksIn(block)) addBlock(media, inner)
      break
    default:
      break
  }
}

/** Text is text wherever it stands; a file is one token a character of its base64 at most, or as much as an unseen one. */
function addDocument(media: Media, source: Readonly<Record<string, unknown>>): void {
  if (source['type'] === 'text') return
  if (source['type'] === 'content') {
    for (const block of blocksIn(source)) addBlock(media, block)
    return
  }
  media.modalities.add('file')
  const characters = source['type'] === 'base64' ? lengthOf(source['data']) : 0
  media.characters += characters
  media.tokens += characters === 0 ? UNSEEN_FILE_TOKENS : characters * TOKENS_PER_MEDIA_CHARACTER
}

function blocksIn({ content }: Readonly<Record<string, unknown>>): readonly Block[] {
  return Array.isArray(content) ? content.filter(isBlock) : []
}

function isBlock(value: unknown): value is Block {
  return isRecord(value) && typeof value['type'] === 'string'
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}
