/** Reads off a Messages request what routing and pricing must know, without decoding all of it. */
import type { Feature, Needs, SamplingParameter } from '../../completion/features.ts'
import { samplingParameters } from '../../completion/features.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { addImage, addMedia, addUnseen, charactersOf, createMediaCount, inputNeeds, TEXT, type MediaCount } from '../media-count.ts'
import { toolCount } from '../tool-count.ts'
import { familyOf } from './client-tools.ts'
import type { Block, CountRequest, WireTool } from './schema.ts'

/** Families that run at the vendor: what they find is read by the model, and counts as its input. */
const reading: ReadonlySet<string> = new Set(['web_search', 'web_fetch', 'code_execution', 'mcp_toolset', 'advisor'])

/** Computes the needs; each tool that reads on its own adds as much as an unseen file may take. */
export function messagesNeeds(json: CountRequest, bodyBytes: number): Needs {
  const tools = json.tools ?? []
  const count = mediaOf(json)
  addUnseen(count, tools.filter(isReading).length)
  return defined({
    features: featuresOf(json),
    samplingParameters: samplingOf(json),
    outputModalities: TEXT,
    ...inputNeeds(count, { bodyBytes, messages: json.messages.length, tools: toolCount(tools) }),
    maxOutputTokens: json.max_tokens ?? undefined,
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

function mediaOf(json: CountRequest): MediaCount {
  const count = createMediaCount()
  for (const { content } of json.messages) if (typeof content !== 'string') for (const block of content) addBlock(count, block)
  return count
}

function addBlock(count: MediaCount, block: Block): void {
  const source = isRecord(block['source']) ? block['source'] : {}
  switch (block.type) {
    case 'image':
      addImage(count, inlineCharacters(source))
      break
    case 'document':
      addDocument(count, source)
      break
    case 'container_upload':
      addUnseen(count, 1)
      break
    case 'tool_result':
      for (const inner of blocksIn(block)) addBlock(count, inner)
      break
    default:
      break
  }
}

/** Text is text wherever it stands. */
function addDocument(count: MediaCount, source: Readonly<Record<string, unknown>>): void {
  if (source['type'] === 'text') return
  if (source['type'] === 'content') for (const block of blocksIn(source)) addBlock(count, block)
  else addMedia(count, 'file', inlineCharacters(source))
}

function inlineCharacters({ type, data }: Readonly<Record<string, unknown>>): number {
  return type === 'base64' ? charactersOf(data) : 0
}

function blocksIn({ content }: Readonly<Record<string, unknown>>): readonly Block[] {
  return Array.isArray(content) ? content.filter(isBlock) : []
}

function isBlock(value: unknown): value is Block {
  return isRecord(value) && typeof value['type'] === 'string'
}
