/** Reads off a Responses request what routing and pricing must know, without decoding all of it. */
import type { Feature, Modality, Needs, SamplingParameter } from '../../completion/features.ts'
import { samplingParameters } from '../../completion/features.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import {
  addImage,
  addMedia,
  addUnseen,
  charactersOf,
  createMediaCount,
  inlineCharactersOf,
  inputNeeds,
  TEXT,
  type MediaCount,
} from '../media-count.ts'
import { itemType, type Item } from './item-schema.ts'
import type { ResponsesRequest } from './schema.ts'
import { toolCount } from '../tool-count.ts'
import { isWebSearch, needsHosted } from './tools.ts'

/** Computes the needs; history that stands at the vendor under an id counts as much as a file nobody has seen. */
export function responsesNeeds(json: ResponsesRequest, bodyBytes: number): Needs {
  const items = Array.isArray(json.input) ? json.input : []
  const count = createMediaCount()
  for (const item of items) addItem(count, item)
  addUnseen(count, unseenHistories(json, items))
  return defined({
    features: featuresOf(json),
    samplingParameters: samplingOf(json),
    outputModalities: outputModalitiesOf(json),
    ...inputNeeds(count, { bodyBytes, messages: items.length + 1, tools: toolCount(json.tools) }),
    maxOutputTokens: json.max_output_tokens ?? undefined,
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
  return needsHosted(json, ({ type }) => type === 'image_generation') ? ['text', 'image'] : TEXT
}

/** Media stand in messages and in tool outputs, and nowhere deeper. */
function addItem(count: MediaCount, item: Item): void {
  const parts = [item['content'], item['output']].flatMap((content: unknown) =>
    Array.isArray(content) ? (content as readonly unknown[]) : [],
  )
  for (const part of parts) if (isRecord(part)) addPart(count, part)
}

function addPart(count: MediaCount, part: Readonly<Record<string, unknown>>): void {
  switch (part['type']) {
    case 'input_image':
      addImage(count, inlineCharactersOf(part['image_url']), part['detail'])
      break
    case 'input_file':
      addMedia(count, 'file', charactersOf(part['file_data']))
      break
    case 'input_audio':
      addMedia(count, 'audio', charactersOf(isRecord(part['input_audio']) ? part['input_audio']['data'] : undefined))
      break
    default:
      break
  }
}
