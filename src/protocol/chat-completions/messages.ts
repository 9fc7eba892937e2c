/** Decodes the messages of a Chat Completions request into system blocks and turns. */
import type {
  CacheMark,
  Content,
  ForeignContent,
  MediaContent,
  RefusalContent,
  SystemBlock,
  TextContent,
  ToolCallContent,
  Turn,
} from '../../completion/request.ts'
import { readToolArguments } from '../../completion/tool-arguments.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import { decodeDetails, decodeSignature } from './carriers.ts'
import {
  audioPart,
  filePart,
  imagePart,
  refusalPart,
  textPart,
  videoPart,
  type AssistantMessage,
  type Message,
  type Part,
  type ToolCall,
} from './schema.ts'

const WIRE = 'chat_completions'

/** What the messages before this one have said that later ones refer to. */
type History = {
  readonly system: SystemBlock[]
  readonly turns: Turn[]
  /** The deprecated form has no ids: the n-th `function` message answers the n-th `function_call`. */
  functionCalls: number
  functionResults: number
}

/**
 * Decodes messages in order. System and developer messages before everything else become system blocks, one for each text;
 * later ones stay where they are, because moving them would change what they follow. Empty texts are left out.
 */
export function decodeMessages(messages: readonly Message[]): {
  readonly system: readonly SystemBlock[]
  readonly turns: readonly Turn[]
} {
  const history: History = { system: [], turns: [], functionCalls: 0, functionResults: 0 }
  for (const [index, message] of messages.entries()) decodeMessage(message, index, history)
  return history
}

function decodeMessage(message: Message, index: number, history: History): void {
  const { role } = message
  const path = `messages[${index}].content`
  switch (role) {
    case 'system':
    case 'developer': {
      const texts = decodeTexts(message.content, path)
      if (history.turns.length > 0) history.turns.push(turn(role, texts, message.name))
      else for (const { text, cache } of texts) history.system.push({ text, role, ...(cache === undefined ? {} : { cache }) })
      break
    }
    case 'user':
      history.turns.push(turn(role, decodeContent(message.content, path), message.name))
      break
    case 'assistant':
      history.turns.push(turn(role, decodeAssistant(message, index, history), message.name))
      break
    case 'tool':
      history.turns.push(
        turn(
          role,
          [{ ...toolResult(message.tool_call_id, message.content, path), ...defined({ name: message.name ?? undefined }) }],
          undefined,
        ),
      )
      break
    case 'function': {
      const callId = functionCallId(history.functionResults++)
      history.turns.push(turn('tool', [{ ...toolResult(callId, message.content, path), name: message.name }], undefined))
      break
    }
  }
}

function turn(role: Turn['role'], parts: readonly Content[], name: string | null | undefined): Turn {
  return { role, parts, ...(name === undefined || name === null ? {} : { name }) }
}

function functionCallId(ordinal: number): string {
  return `call_function_${ordinal}`
}

function toolResult(callId: string, content: Message['content'], path: string): Extract<Content, { type: 'tool-result' }> {
  const parts = decodeContent(content ?? '', path).map((part) => {
    if (part.type === 'text' || part.type === 'foreign' || isMedia(part)) return part
    throw invalidRequest(path, 'has a part that a tool result cannot carry')
  })
  return { type: 'tool-result', callId, isError: false, content: parts }
}

function isMedia(part: Content): part is MediaContent {
  return part.type === 'image' || part.type === 'audio' || part.type === 'video' || part.type === 'file'
}

function decodeTexts(content: string | readonly Part[], path: string): readonly TextContent[] {
  return decodeContent(content, path).map((part) => {
    if (part.type === 'text') return part
    throw invalidRequest(path, 'may only have text parts in a system or developer message')
  })
}

function decodeContent(content: string | readonly Part[], path: string): readonly Content[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return content.flatMap((part, index) => decodePart(part, `${path}[${index}]`))
}

function decodePart(part: Part, path: string): readonly (TextContent | RefusalContent | MediaContent | ForeignContent)[] {
  const cache = decodeCacheMark(part)
  switch (part.type) {
    case 'text': {
      const { text } = textPart.parse(part)
      return text === '' ? [] : [{ type: 'text', text, ...cache }]
    }
    case 'refusal':
      return [{ type: 'refusal', text: refusalPart.parse(part).refusal }]
    case 'image_url': {
      const { image_url: image } = imagePart.parse(part)
      return [{ type: 'image', source: sourceOf(image.url), ...defined({ detail: image.detail ?? undefined }), ...cache }]
    }
    case 'input_audio': {
      const { input_audio: audio } = audioPart.parse(part)
      const mimeType = audio.format === 'mp3' ? 'audio/mpeg' : `audio/${audio.format}`
      return [{ type: 'audio', source: { kind: 'inline', mimeType, base64: audio.data }, ...cache }]
    }
    case 'video_url':
      return [{ type: 'video', source: sourceOf(videoPart.parse(part).video_url.url), ...cache }]
    case 'file':
      return [{ ...decodeFile(part, path), ...cache }]
    default:
      return [{ type: 'foreign', wire: WIRE, raw: part }]
  }
}

function decodeFile(part: Part, path: string): MediaContent {
  const { file } = filePart.parse(part)
  const filename = defined({ filename: file.filename ?? undefined })
  if (typeof file.file_data === 'string') {
    const source = sourceOf(file.file_data)
    return {
      type: 'file',
      source: source.kind === 'inline' ? source : { kind: 'inline', mimeType: 'application/pdf', base64: file.file_data },
      ...filename,
    }
  }
  if (typeof file.file_id === 'string') return { type: 'file', source: { kind: 'id', wire: WIRE, id: file.file_id }, ...filename }
  throw invalidRequest(`${path}.file`, 'must have file_data or file_id')
}

/** A data URL of base64 becomes its bytes; every other URL stays one. */
function sourceOf(url: string): MediaContent['source'] & { readonly kind: 'inline' | 'url' } {
  const match = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(url.slice(0, 300))
  if (match === null) return { kind: 'url', url }
  return { kind: 'inline', mimeType: match[1] === '' ? 'application/octet-stream' : (match[1] ?? ''), base64: url.slice(match[0].length) }
}

function decodeAssistant(message: AssistantMessage, index: number, history: History): readonly Content[] {
  const parts: Content[] = [...decodeReasoning(message), ...decodeContent(message.content ?? '', `messages[${index}].content`)]
  if (typeof message.refusal === 'string' && message.refusal !== '') parts.push({ type: 'refusal', text: message.refusal })
  const { audio, function_call: call } = message
  if (audio !== undefined && audio !== null) parts.push({ type: 'audio', source: { kind: 'id', wire: WIRE, id: audio.id } })
  for (const [at, toolCall] of (message.tool_calls ?? []).entries()) parts.push(decodeToolCall(toolCall, index, at))
  if (call !== undefined && call !== null) {
    parts.push({
      type: 'tool-call',
      id: functionCallId(history.functionCalls++),
      name: call.name,
      arguments: readToolArguments(call.arguments),
    })
  }
  return parts
}

/** De facto fields: `reasoning_content` (DeepSeek and its kin), `reasoning` and `reasoning_details` (OpenRouter). */
function decodeReasoning(message: AssistantMessage): readonly Content[] {
  const text = message.reasoning_content ?? message.reasoning ?? ''
  const details = message.reasoning_details ?? []
  const carriers = decodeDetails(details)
  if (text === '' && carriers.length === 0) return []
  return [{ type: 'reasoning', form: 'full', text: text === '' ? [] : [text], carriers }]
}

function decodeToolCall(call: ToolCall, index: number, at: number): ToolCallContent {
  const id = call.id ?? `call_${index}_${at}`
  const signature = decodeSignature(call)
  const carriers = signature.length === 0 ? {} : { carriers: signature }
  if (call.custom !== undefined && call.custom !== null) {
    return { type: 'tool-call', id, name: call.custom.name, arguments: { kind: 'text', text: call.custom.input }, ...carriers }
  }
  if (call.function === undefined || call.function === null) {
    throw invalidRequest(`messages[${index}].tool_calls[${at}]`, 'must have a function or a custom tool')
  }
  const { name, arguments: written } = call.function
  const text = typeof written === 'string' ? written : JSON.stringify(written ?? {})
  return { type: 'tool-call', id, name, arguments: readToolArguments(text), ...carriers }
}

/** Reads a cache mark: OpenAI's breakpoint, or the `cache_control` that gateways took over from Anthropic. */
function decodeCacheMark(part: Readonly<Record<string, unknown>>): { readonly cache?: CacheMark } {
  const mark = part['prompt_cache_breakpoint'] ?? part['cache_control']
  if (!isRecord(mark)) return {}
  const { ttl } = mark
  return { cache: ttl === '5m' || ttl === '30m' || ttl === '1h' || ttl === '12h' ? { ttl } : {} }
}
