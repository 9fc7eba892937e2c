/** Decodes the items of a Responses request into system blocks and turns. */
import type { SignatureCarrier } from '../../completion/part.ts'
import type { Content, ReasoningContent, SystemBlock, ToolResultContent, Turn, UnknownField } from '../../completion/request.ts'
import { readToolArguments } from '../../completion/tool-arguments.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { isEnvelope, unwrapCarrier } from '../carrier.ts'
import { invalidRequest } from '../invalid-request.ts'
import { unmodelled } from '../unmodelled.ts'
import { clientTools, type ClientTool } from './client-tools.ts'
import { decodeContent, type MessagePart } from './content.ts'
import { customCallItem, functionCallItem, itemType, messageItem, outputItem, reasoningItem, type Item } from './item-schema.ts'
import { modelledItem } from './modelled.ts'
import { flatName } from './tools.ts'

type Json = Readonly<Record<string, unknown>>
type Draft = { readonly role: Turn['role']; parts: Content[] }

/** What the items before this one have said. */
type History = {
  readonly system: SystemBlock[]
  readonly turns: Draft[]
  /** Tools that items bring along. */
  readonly tools: { readonly tool: Json; readonly path: string }[]
  readonly unknown: UnknownField[]
}

export type DecodedItems = {
  readonly system: readonly SystemBlock[]
  readonly turns: readonly Turn[]
  readonly tools: readonly { readonly tool: Json; readonly path: string }[]
}

/**
 * Decodes items in order. Instructions and leading system or developer messages become system blocks, one for each text; later ones
 * stay where they are. The items of one answer (thoughts, a message, calls) are one turn; each tool output is its own.
 *
 * @throws RouteplaneError `invalid_request` naming the JSON path.
 */
export function decodeItems(
  instructions: string | null | undefined,
  input: string | readonly Item[],
  unknown: UnknownField[],
): DecodedItems {
  const history: History = { system: [], turns: [], tools: [], unknown }
  if (typeof instructions === 'string' && instructions !== '') history.system.push({ text: instructions, role: 'system' })
  if (typeof input === 'string') history.turns.push({ role: 'user', parts: [...decodeContent(input, 'input')] })
  else for (const [index, item] of input.entries()) decodeItem(item, `input[${index}]`, history)
  return history
}

function decodeItem(item: Item, path: string, history: History): void {
  const type = itemType(item)
  switch (type) {
    case 'message':
      return decodeMessage(item, path, history)
    case 'reasoning':
      return decodeReasoning(item, path, history)
    case 'function_call': {
      const { call_id: id, name, namespace, arguments: written } = functionCallItem.parse(item)
      noteUnknown(item, path, history)
      return addToAnswer(history, { type: 'tool-call', id, name: flatName(namespace, name), arguments: readToolArguments(written) })
    }
    case 'custom_tool_call': {
      const { call_id: id, name, namespace, input } = customCallItem.parse(item)
      noteUnknown(item, path, history)
      return addToAnswer(history, { type: 'tool-call', id, name: flatName(namespace, name), arguments: { kind: 'text', text: input } })
    }
    case 'function_call_output':
    case 'custom_tool_call_output':
      noteUnknown(item, path, history)
      return addResult(history, decodeOutput(item, path))
    case 'additional_tools':
      noteUnknown(item, path, history)
      return addTools(item, path, history)
    default:
      return decodeVendorItem(type, item, path, history)
  }
}

function noteUnknown(item: Item, path: string, { unknown }: History): void {
  unknown.push(...unmodelled(item, modelledItem(itemType(item)), path))
}

function decodeMessage(item: Item, path: string, history: History): void {
  const { role, content } = messageItem.parse(item)
  noteUnknown(item, path, history)
  const parts = decodeContent(content, `${path}.content`)
  if (role === 'assistant') {
    const last = history.turns.at(-1)
    const before = last?.role === 'assistant' ? last.parts.at(-1)?.type : undefined
    // Two messages on end are two turns; one that follows thoughts or calls belongs to their answer.
    if (before === 'reasoning' || before === 'tool-call') last?.parts.push(...parts)
    else history.turns.push({ role, parts: [...parts] })
    return
  }
  if (role === 'user') return void history.turns.push({ role, parts: [...parts] })
  const texts = parts.map((part) => {
    if (part.type === 'text') return part
    throw invalidRequest(`${path}.content`, 'may only have text parts in a system or developer message')
  })
  if (history.turns.length > 0) history.turns.push({ role, parts: texts })
  else for (const { text, cache } of texts) history.system.push({ text, role, ...(cache === undefined ? {} : { cache }) })
}

function decodeReasoning(item: Item, path: string, history: History): void {
  const { id, summary, content, encrypted_content: encrypted } = reasoningItem.parse(item)
  noteUnknown(item, path, history)
  const summaries = (summary ?? []).map(({ text }) => text).filter((text) => text !== '')
  const thoughts = (content ?? []).map(({ text }) => text).filter((text) => text !== '')
  if (summaries.length > 0 && thoughts.length > 0) history.unknown.push({ path: `${path}.content`, value: content })
  const carriers = readCarriers(encrypted, id)
  const [carrier] = carriers
  if (carrier?.kind === 'thought_signature' && summaries.length === 0 && attachSignature(history, carrier)) return
  const form = summaries.length > 0 ? 'summary' : thoughts.length > 0 ? 'full' : 'omitted'
  if (form === 'omitted' && carriers.length === 0) {
    // A thought that only its id stands for is in the vendor's store, or in an envelope that came back damaged.
    history.unknown.push({ path, value: item })
    return
  }
  const text = form === 'summary' ? summaries : thoughts
  addToAnswer(history, { type: 'reasoning', form, text, carriers } satisfies ReasoningContent)
}

/** A damaged envelope is nobody's: it is left out rather than sent on as if a provider had made it. */
function readCarriers(encrypted: string | null | undefined, id: string | null | undefined): readonly SignatureCarrier[] {
  if (typeof encrypted !== 'string' || encrypted === '') return []
  if (!isEnvelope(encrypted)) {
    return [{ wire: 'responses', kind: 'encrypted_content', value: encrypted, ...defined({ itemId: id ?? undefined }) }]
  }
  const carrier = unwrapCarrier(encrypted)
  return carrier === undefined ? [] : [carrier]
}

/** What stands for the call's id in an envelope whose signature belongs to a text. */
export const TEXT_SIGNATURE = 'text'

/** Gives a signature back to the call or text it was taken from, when that is in the same answer. */
function attachSignature(history: History, { itemId, ...carrier }: SignatureCarrier): boolean {
  const turn = history.turns.at(-1)
  if (turn?.role !== 'assistant' || itemId === undefined) return false
  const at = turn.parts.findLastIndex((part) =>
    itemId === TEXT_SIGNATURE ? part.type === 'text' : part.type === 'tool-call' && part.id === itemId,
  )
  const part = turn.parts[at]
  if (part?.type !== 'text' && part?.type !== 'tool-call') return false
  turn.parts[at] = { ...part, carriers: [...(part.carriers ?? []), carrier] }
  return true
}

function addToAnswer(history: History, part: Content): void {
  const last = history.turns.at(-1)
  if (last?.role === 'assistant') last.parts.push(part)
  else history.turns.push({ role: 'assistant', parts: [part] })
}

function addResult(history: History, result: ToolResultContent): void {
  history.turns.push({ role: 'tool', parts: [result] })
}

function decodeOutput(item: Item, path: string): ToolResultContent {
  const { call_id: callId, output, name } = outputItem.parse(item)
  if (typeof callId !== 'string') throw invalidRequest(`${path}.call_id`, 'is missing')
  const content = decodeContent(output, `${path}.output`).map((part) => {
    if (isResultPart(part)) return part
    throw invalidRequest(`${path}.output`, 'has a part that a tool result cannot carry')
  })
  return { type: 'tool-result', callId, isError: false, content, ...defined({ name: name ?? undefined }) }
}

function isResultPart(part: MessagePart): part is Exclude<MessagePart, { type: 'refusal' }> {
  return part.type !== 'refusal'
}

function addTools(item: Json, path: string, { tools }: History): void {
  const given = Array.isArray(item['tools']) ? (item['tools'] as readonly unknown[]) : []
  for (const [index, tool] of given.entries()) if (isRecord(tool)) tools.push({ tool, path: `${path}.tools[${index}]` })
}

/** Calls of tools that the caller runs are calls like others; every other item is the vendor's own. */
function decodeVendorItem(type: string, item: Item, path: string, history: History): void {
  const called = clientTools.find(({ callType }) => callType === type)
  const answered = clientTools.find(({ outputType }) => outputType === type)
  const callId = item['call_id'] ?? item['id']
  if (called !== undefined && typeof callId === 'string') return addClientCall(called, callId, item, path, history)
  if (answered !== undefined && typeof callId === 'string') {
    if (answered.family === 'tool_search') addTools(item, path, history)
    noteUnknown(item, path, history)
    const result = answered.toResult(item)
    const content = typeof result === 'string' ? decodeContent(result, path) : ({ kind: 'json', value: result } as const)
    const texts = 'kind' in content ? content : content.filter((part) => part.type === 'text')
    return addResult(history, { type: 'tool-result', callId, name: answered.family, isError: item['status'] === 'failed', content: texts })
  }
  if (type === 'web_search_call' || type === 'mcp_list_tools') {
    // It only tells that something was looked up: what was found stands in the message after it.
    history.unknown.push({ path, value: item })
    return
  }
  const foreign = { type: 'foreign', wire: 'responses', raw: item } as const
  if (type.endsWith('_output') || type.endsWith('_response')) history.turns.push({ role: 'user', parts: [foreign] })
  else addToAnswer(history, foreign)
}

function addClientCall(tool: ClientTool, id: string, item: Item, path: string, history: History): void {
  noteUnknown(item, path, history)
  const value = tool.toArguments(item)
  const written = typeof value === 'string' ? readToolArguments(value) : ({ kind: 'json', text: JSON.stringify(value), value } as const)
  addToAnswer(history, { type: 'tool-call', id, name: tool.family, arguments: written })
}
