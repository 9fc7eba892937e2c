/** Encodes system blocks and turns as the messages of Chat Completions. */
import { RouteplaneError } from '../../errors.ts'
import type {
  CacheMark,
  CompletionRequest,
  Content,
  MediaContent,
  ReasoningContent,
  SystemBlock,
  TextContent,
  ToolCallContent,
  ToolResultContent,
  Turn,
} from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'

type WireMessage = Readonly<Record<string, unknown>>

/** Messages under way: images of tool results wait until the run of tool messages is over, which must stay unbroken. */
type Draft = { readonly messages: WireMessage[]; hoisted: unknown[] }

/** @throws {@link RouteplaneError} `unsupported_parameter` for content this wire cannot carry. */
export function encodeMessages(request: Pick<CompletionRequest, 'system' | 'turns'>): readonly WireMessage[] {
  const draft: Draft = { messages: request.system.map(encodeSystem), hoisted: [] }
  for (const turn of request.turns) encodeTurn(draft, turn)
  flushHoisted(draft)
  return draft.messages
}

function encodeSystem(block: SystemBlock): WireMessage {
  const { text, role, cache } = block
  return { role, content: cache === undefined ? text : [{ type: 'text', text, ...encodeCache(cache) }] }
}

function encodeTurn(draft: Draft, turn: Turn): void {
  const results = turn.parts.filter((part) => part.type === 'tool-result')
  const others = turn.parts.filter((part) => part.type !== 'tool-result')
  for (const result of results) draft.messages.push(encodeResult(draft, result))
  if (turn.role === 'tool' && others.length === 0) return
  if (others.length === 0 && results.length > 0) return
  flushHoisted(draft)
  const name = defined({ name: turn.name })
  if (turn.role === 'assistant') draft.messages.push({ role: 'assistant', ...encodeAssistant(others), ...name })
  else draft.messages.push({ role: turn.role === 'tool' ? 'user' : turn.role, content: encodeContent(others), ...name })
}

function flushHoisted(draft: Draft): void {
  if (draft.hoisted.length === 0) return
  draft.messages.push({ role: 'user', content: draft.hoisted })
  draft.hoisted = []
}

/** A string where one plain text is all there is: what every compatible server takes. */
function encodeContent(parts: readonly Content[]): unknown {
  if (parts.length === 0) return ''
  const [only] = parts
  if (parts.length === 1 && only?.type === 'text' && only.cache === undefined) return only.text
  return parts.map(encodePart)
}

function encodePart(part: Content): unknown {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, ...encodeCache(part.cache) }
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
      return { ...encodeMedia(part), ...encodeCache(part.cache) }
    case 'refusal':
      return { type: 'refusal', refusal: part.text }
    case 'foreign':
      if (part.wire === 'chat_completions') return part.raw
      throw cannotCarry(`a ${part.wire} part`)
    case 'reasoning':
    case 'tool-call':
    case 'tool-result':
      throw cannotCarry(`${part.type} content in this turn`)
  }
}

/** @see https://platform.openai.com/docs/guides/prompt-caching; its lifetimes are 30 minutes and 12 hours. */
function encodeCache(cache: CacheMark | undefined): Readonly<Record<string, unknown>> {
  if (cache === undefined) return {}
  const ttl = cache.ttl === '30m' || cache.ttl === '12h' ? { ttl: cache.ttl } : {}
  return { prompt_cache_breakpoint: { mode: 'explicit', ...ttl } }
}

function encodeMedia(part: MediaContent): Readonly<Record<string, unknown>> {
  const { source } = part
  if (source.kind === 'text') return { type: 'text', text: source.title === undefined ? source.text : `${source.title}\n\n${source.text}` }
  switch (part.type) {
    case 'image':
      if (source.kind === 'id') throw cannotCarry('an image by id')
      return { type: 'image_url', image_url: defined({ url: urlOf(source), detail: part.detail }) }
    case 'video':
      if (source.kind === 'id') throw cannotCarry('a video by id')
      return { type: 'video_url', video_url: { url: urlOf(source) } }
    case 'audio':
      return encodeAudio(part)
    case 'file':
      return { type: 'file', file: defined({ filename: part.filename, ...fileSource(source) }) }
  }
}

function encodeAudio({ source }: MediaContent): Readonly<Record<string, unknown>> {
  const format = source.kind === 'inline' ? /^audio\/(?:x-)?(mpeg|mp3|wav|[a-z0-9]+)/i.exec(source.mimeType)?.[1]?.toLowerCase() : undefined
  if (source.kind !== 'inline' || format === undefined) throw cannotCarry('audio that is not inline')
  return { type: 'input_audio', input_audio: { data: source.base64, format: format === 'mpeg' ? 'mp3' : format } }
}

function fileSource(source: MediaContent['source']): Readonly<Record<string, string>> {
  if (source.kind === 'inline') return { file_data: urlOf(source) }
  if (source.kind === 'id' && source.wire === 'chat_completions') return { file_id: source.id }
  throw cannotCarry('a file that is not inline')
}

function urlOf(source: Extract<MediaContent['source'], { kind: 'inline' | 'url' }>): string {
  return source.kind === 'url' ? source.url : `data:${source.mimeType};base64,${source.base64}`
}

function encodeAssistant(parts: readonly Content[]): WireMessage {
  const calls = parts.filter((part) => part.type === 'tool-call')
  const refusals = parts.filter((part) => part.type === 'refusal')
  const audio = parts.find((part) => part.type === 'audio' && part.source.kind === 'id')
  const rest = parts.filter((part) => part.type !== 'tool-call' && part.type !== 'refusal' && part.type !== 'reasoning' && part !== audio)
  const isBare = rest.length === 0 && (calls.length > 0 || refusals.length > 0 || audio !== undefined)
  return defined({
    content: isBare ? null : encodeContent(rest),
    ...encodeReasoning(parts.filter((part) => part.type === 'reasoning')),
    refusal: refusals.length === 0 ? undefined : refusals.map(({ text }) => text).join(''),
    audio: audio?.type === 'audio' && audio.source.kind === 'id' ? { id: audio.source.id } : undefined,
    tool_calls: calls.length === 0 ? undefined : calls.map(encodeCall),
  })
}

/**
 * Thoughts go back only where they came from: one that carries another wire's signature is left out rather than turned
 * into prose. Which provider issued it is the planner's to check.
 */
function encodeReasoning(blocks: readonly ReasoningContent[]): WireMessage {
  const own = blocks.filter(({ carriers }) => carriers.every(({ wire }) => wire === 'chat_completions'))
  const text = own.flatMap((block) => block.text).join('')
  const details = own.flatMap(({ carriers }) => carriers.flatMap(({ kind, value }) => (kind === 'reasoning_details' ? asList(value) : [])))
  return defined({
    reasoning_content: text === '' ? undefined : text,
    reasoning_details: details.length === 0 ? undefined : details,
  })
}

function asList(value: string): readonly unknown[] {
  const parsed = tryParseJson(value)
  return Array.isArray(parsed) ? (parsed as readonly unknown[]) : []
}

function encodeCall(call: ToolCallContent): unknown {
  const signature = call.carriers?.find(({ kind }) => kind === 'thought_signature')
  const extra = signature === undefined ? {} : { extra_content: { google: { thought_signature: signature.value } } }
  if (call.arguments.kind === 'text')
    return { id: call.id, type: 'custom', custom: { name: call.name, input: call.arguments.text }, ...extra }
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments.text }, ...extra }
}

/** Tool messages carry text only: pictures follow in a user message after the whole run of results. */
function encodeResult(draft: Draft, result: ToolResultContent): WireMessage {
  const base = { role: 'tool', tool_call_id: result.callId, ...defined({ name: result.name }) }
  if (!isParts(result.content)) {
    const { value } = result.content
    return { ...base, content: JSON.stringify(result.isError ? { error: value } : value) }
  }
  const texts: TextContent[] = []
  for (const part of result.content) {
    if (part.type === 'text') texts.push(part)
    else {
      draft.hoisted.push(encodePart(part))
      texts.push({ type: 'text', text: `[${part.type} of ${result.callId} in the next user message]` })
    }
  }
  if (!result.isError) return { ...base, content: encodeContent(texts) }
  return { ...base, content: JSON.stringify({ error: texts.map(({ text }) => text).join('\n') }) }
}

function isParts(content: ToolResultContent['content']): content is Exclude<ToolResultContent['content'], { kind: 'json' }> {
  return !isRecord(content)
}

function cannotCarry(what: string): RouteplaneError {
  return new RouteplaneError('unsupported_parameter', `Chat Completions cannot carry ${what}`, { details: { path: 'messages' } })
}
