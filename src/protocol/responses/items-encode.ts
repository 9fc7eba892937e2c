/** Encodes system blocks and turns as the input items of Responses. */
import type {
  CompletionRequest,
  Content,
  ReasoningContent,
  RefusalContent,
  TextContent,
  ToolCallContent,
  ToolResultContent,
  Turn,
} from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { replayReasoning, type ReplayTarget } from '../carrier.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import { FREEFORM_MEMBER } from '../restore.ts'
import { wireToolId } from '../tool-ids.ts'
import { encodeParts, type ContentWork } from './media-encode.ts'

type Json = Readonly<Record<string, unknown>>

type Work = ContentWork & {
  readonly items: Json[]
  readonly toWire: (name: string) => string
  /** Calls of free-form tools, whose outputs are items of another type. */
  readonly freeform: ReadonlySet<string>
  readonly takesFreeform: boolean
}

export type ItemOptions = {
  readonly toWire: (name: string) => string
  readonly takesCacheMarks: boolean
  /** Whether the model knows free-form tools; if not, they are functions in the history too. */
  readonly takesFreeform: boolean
  /** Who gets the request: thoughts go back only to whom they came from. */
  readonly replay: ReplayTarget
}

/** Encodes a request's conversation: everything in order, system blocks first, nothing merged. */
export function encodeItems(
  request: CompletionRequest,
  { toWire, takesCacheMarks, takesFreeform, replay }: ItemOptions,
): { readonly items: readonly Json[]; readonly losses: readonly Loss[] } {
  const { turns, losses: replayLosses } = replayReasoning(request.turns, replay)
  const losses = [...replayLosses]
  const calls = turns.flatMap(({ parts }) => parts.filter((part) => part.type === 'tool-call'))
  const freeform = new Set(calls.filter((call) => takesFreeform && call.arguments.kind === 'text').map(({ id }) => id))
  const work: Work = { items: [], losses, takesCacheMarks, toWire, freeform, takesFreeform }
  for (const [index, block] of request.system.entries()) {
    const { text, role, cache } = block
    addMessage(role, [{ type: 'text', text, ...(cache === undefined ? {} : { cache }) }], `system[${index}]`, work)
  }
  for (const [index, turn] of turns.entries()) encodeTurn(turn, `messages[${index}]`, work)
  const last = turns.at(-1)
  if (last?.role === 'assistant' && last.parts.some(({ type }) => type === 'text')) {
    losses.push(approximated(`messages[${turns.length - 1}]`, 'prefill', 'the model answers it instead of going on with it'))
  }
  return { items: work.items, losses }
}

/** Results go first: they belong to the calls before the turn. */
function encodeTurn(turn: Turn, path: string, work: Work): void {
  if (turn.name !== undefined) work.losses.push(unsupported(`${path}.name`, 'message.name', 'messages have no names on Responses'))
  const results = turn.parts.filter((part) => part.type === 'tool-result')
  for (const result of results) work.items.push(encodeResult(result, path, work))
  const others = turn.parts.filter((part) => part.type !== 'tool-result')
  if (turn.role === 'assistant') return encodeAssistant(others, path, work)
  const items = others.filter(isItem)
  work.items.push(...items.map(({ raw }) => raw))
  const rest = others.filter((part) => !isItem(part))
  if (rest.length > 0) addMessage(turn.role === 'tool' ? 'user' : turn.role, rest, path, work)
  else if (turn.parts.length === 0) work.losses.push(unsupported(path, 'text.empty', 'an empty message is left out'))
}

/** A string where one plain text is all there is: what every compatible server takes. */
function addMessage(role: string, parts: readonly Content[], path: string, work: Work): void {
  const [only] = parts
  const isPlain = parts.length === 1 && only?.type === 'text' && only.cache === undefined
  const content = isPlain ? only.text : encodeParts(parts, `${path}.content`, work)
  if (content.length > 0) work.items.push({ type: 'message', role, content })
}

/** Tells items from parts among what only this wire understands: parts are named by their direction. */
function isItem(part: Content): part is Extract<Content, { type: 'foreign' }> & { readonly raw: Json } {
  if (part.type !== 'foreign' || part.wire !== 'responses' || !isRecord(part.raw)) return false
  return !/^(?:input|output)_/.test(String(part.raw['type']))
}

/** One item for each thought and call, and one message for each run of texts. */
function encodeAssistant(parts: readonly Content[], path: string, work: Work): void {
  let run: (TextContent | RefusalContent)[] = []
  const flush = (): void => {
    if (run.length > 0) work.items.push(encodeSaid(run, `msg_${work.items.length}`))
    run = []
  }
  for (const [index, part] of parts.entries()) {
    const at = `${path}.content[${index}]`
    if (part.type === 'text' || part.type === 'refusal') {
      if (part.text !== '') run.push(part)
      continue
    }
    flush()
    if (part.type === 'tool-call') work.items.push(encodeCall(part, work))
    else if (part.type === 'reasoning') encodeReasoning(part, at, work)
    else if (isItem(part)) work.items.push(part.raw)
    else if (part.type === 'foreign') work.losses.push(unsupported(at, 'content.foreign', 'only its own wire understands it'))
    else work.losses.push(unsupported(at, 'output_modalities', 'Responses cannot take back what the model showed'))
  }
  flush()
}

function encodeSaid(run: readonly (TextContent | RefusalContent)[], id: string): Json {
  const [only] = run
  if (run.length === 1 && only?.type === 'text') return { type: 'message', role: 'assistant', content: only.text }
  const content = run.map((part) =>
    part.type === 'text' ? { type: 'output_text', text: part.text, annotations: [] } : { type: 'refusal', refusal: part.text },
  )
  return { type: 'message', id, role: 'assistant', status: 'completed', content }
}

function encodeCall(call: ToolCallContent, { toWire, takesFreeform }: Work): Json {
  const head = { call_id: wireToolId(call.id, 'openai'), name: toWire(call.name) }
  if (call.arguments.kind === 'text') {
    const { text } = call.arguments
    if (takesFreeform) return { type: 'custom_tool_call', ...head, input: text }
    return { type: 'function_call', ...head, arguments: JSON.stringify({ [FREEFORM_MEMBER]: text }) }
  }
  return { type: 'function_call', ...head, arguments: call.arguments.text }
}

/** A thought without the vendor's own encryption would only name an item that he has never seen. */
function encodeReasoning(part: ReasoningContent, path: string, work: Work): void {
  const own = part.carriers.filter(({ kind }) => kind === 'encrypted_content')
  if (own.length === 0) {
    work.losses.push(unsupported(path, 'reasoning.replay', 'reasoning that the provider cannot verify is left out'))
    return
  }
  for (const [index, { value, itemId }] of own.entries()) {
    const texts = index === 0 ? part.text : []
    work.items.push({
      type: 'reasoning',
      id: itemId ?? `rs_${work.items.length}`,
      summary: part.form === 'summary' ? texts.map((text) => ({ type: 'summary_text', text })) : [],
      ...(part.form === 'full' && texts.length > 0 ? { content: texts.map((text) => ({ type: 'reasoning_text', text })) } : {}),
      encrypted_content: value,
    })
  }
}

function encodeResult(result: ToolResultContent, path: string, work: Work): Json {
  const type = work.freeform.has(result.callId) ? 'custom_tool_call_output' : 'function_call_output'
  const head = { type, call_id: wireToolId(result.callId, 'openai') }
  if (result.isError) work.losses.push(approximated(path, 'tool_result.error', 'the error is told in the output’s text'))
  if (result.cache !== undefined) work.losses.push(unsupported(path, 'cache_control', 'tool outputs take no cache mark on Responses'))
  const { content } = result
  if (isJson(content)) return { ...head, output: JSON.stringify(result.isError ? { error: content.value } : content.value) }
  const texts = content.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  const isText = texts.length === content.length
  if (result.isError && isText) return { ...head, output: JSON.stringify({ error: texts.join('\n') }) }
  const [only = ''] = texts
  if (isText && texts.length <= 1) return { ...head, output: only }
  return { ...head, output: encodeParts(content, `${path}.content`, work) }
}

function isJson(content: ToolResultContent['content']): content is { readonly kind: 'json'; readonly value: unknown } {
  return isRecord(content)
}
