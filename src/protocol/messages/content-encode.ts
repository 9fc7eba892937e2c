/** Encodes neutral parts as content blocks of Messages; what has no block here is a loss. */
import type { Content, MediaContent, ReasoningContent, ToolCallContent, ToolResultContent } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, omitted, refusal, unsupported, type Loss } from '../loss.ts'
import { normaliseMimeType, sniffMimeType, takesMedia } from '../media.ts'
import { FREEFORM_MEMBER } from '../restore.ts'
import type { CacheMarks } from './cache-marks.ts'

type Json = Readonly<Record<string, unknown>>

export type ContentContext = {
  readonly names: { toWire(name: string): string }
  readonly ids: { toWire(id: string): string }
  readonly marks: CacheMarks
  readonly losses: Loss[]
}

/** Encodes one part. @returns no block for what is left out, which is reported unless it is an empty text. */
export function encodePart(part: Content, path: string, context: ContentContext): readonly Json[] {
  const { marks, losses } = context
  switch (part.type) {
    case 'text':
      // Texts without a visible character are refused.
      return part.text.trim() === '' ? [] : [marks.put({ type: 'text', text: part.text }, part.cache, path)]
    case 'refusal':
      losses.push({ path, feature: 'refusal', action: 'approximated', how: 'a refusal of the past is written as ordinary text' })
      return part.text.trim() === '' ? [] : [{ type: 'text', text: part.text }]
    case 'image':
    case 'file':
      return encodeMedia(part, path, losses).map((block) => marks.put(block, part.cache, path))
    case 'audio':
    case 'video':
      losses.push(unsupported(path, part.type === 'audio' ? 'audio.input' : 'video.input', `Messages has no ${part.type}`))
      return []
    case 'reasoning':
      return encodeReasoning(part, path, losses)
    case 'tool-call':
      return [encodeCall(part, path, context)]
    case 'tool-result':
      return [encodeResult(part, path, context)]
    case 'foreign':
      if (part.wire === 'messages' && isRecord(part.raw)) return [part.raw]
      losses.push(unsupported(path, 'content.foreign', `a part of ${part.wire} exists on no other wire`))
      return []
  }
}

function encodeMedia(part: MediaContent, path: string, losses: Loss[]): readonly Json[] {
  const { source, detail } = part
  if (detail !== undefined && detail !== 'auto')
    losses.push(unsupported(`${path}.detail`, 'image.detail', 'Messages has no level of detail'))
  const kind = part.type === 'image' ? 'image' : 'document'
  const title = part.type === 'file' ? defined({ title: part.filename }) : {}
  switch (source.kind) {
    case 'inline':
      return encodeInline(part, source, path, losses)
    case 'url':
      return [{ type: kind, source: { type: 'url', url: source.url }, ...title }]
    case 'id':
      if (source.wire === 'messages') return [{ type: kind, source: { type: 'file', file_id: source.id }, ...title }]
      losses.push(unsupported(path, 'file.id', 'the id of a file means nothing to another vendor'))
      return []
    case 'text':
      return source.text.trim() === '' ? [] : [textDocument(source.text, source.title)]
  }
}

function textDocument(text: string, title: string | undefined): Json {
  return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text }, ...defined({ title }) }
}

/** The vendor refuses an image whose bytes are not of the type that it is said to have: the bytes are believed. */
function encodeInline(
  part: MediaContent,
  { mimeType, base64 }: { readonly mimeType: string; readonly base64: string },
  path: string,
  losses: Loss[],
): readonly Json[] {
  const type = sniffMimeType(base64) ?? normaliseMimeType(mimeType)
  if (part.type === 'image') {
    if (takesMedia('messages', 'image', type)) return [{ type: 'image', source: { type: 'base64', media_type: type, data: base64 } }]
    losses.push(unsupported(path, 'image.format', 'Messages takes images as JPEG, PNG, GIF or WebP'))
    return []
  }
  if (type === 'application/pdf') {
    return [{ type: 'document', source: { type: 'base64', media_type: type, data: base64 }, ...defined({ title: part.filename }) }]
  }
  if (type.startsWith('text/') || type === 'application/json') {
    if (type !== 'text/plain') losses.push(approximated(path, 'document.text', `a document of type ${type} is given as plain text`))
    return [textDocument(Buffer.from(base64, 'base64').toString('utf8'), part.filename)]
  }
  losses.push(refusal(path, 'content.foreign', 'Messages takes documents as PDF or text'))
  return []
}

/** What nobody of this wire has signed cannot be replayed: as prose it would teach the model to think aloud. */
function encodeReasoning({ text, carriers }: ReasoningContent, path: string, losses: Loss[]): readonly Json[] {
  const signature = carriers.find(({ wire, kind }) => wire === 'messages' && kind === 'signature')
  const redacted = carriers.filter(({ wire, kind }) => wire === 'messages' && kind === 'redacted')
  if (signature === undefined && redacted.length === 0) {
    losses.push(unsupported(path, 'reasoning.replay', 'reasoning without a signature of this wire is left out'))
    return []
  }
  const thinking = signature === undefined ? [] : [{ type: 'thinking', thinking: text.join('\n\n'), signature: signature.value }]
  return [...thinking, ...redacted.map(({ value }) => ({ type: 'redacted_thinking', data: value }))]
}

function encodeCall(call: ToolCallContent, path: string, { names, ids, marks, losses }: ContentContext): Json {
  const input = inputOf(call)
  if (input === undefined) {
    const how = 'arguments that are no JSON object are given as the text they were written as'
    losses.push({ path, feature: 'tool_call.arguments', action: 'approximated', how })
  }
  const written = {
    type: 'tool_use',
    id: ids.toWire(call.id),
    name: names.toWire(call.name),
    input: input ?? { arguments: call.arguments.text },
  }
  return marks.put(written, call.cache, path)
}

function inputOf({ arguments: given }: ToolCallContent): Json | undefined {
  if (given.kind === 'text') return { [FREEFORM_MEMBER]: given.text }
  return given.kind === 'json' && isRecord(given.value) ? given.value : undefined
}

function encodeResult(result: ToolResultContent, path: string, context: ContentContext): Json {
  const content = resultBlocks(result, path, context)
  const error = result.isError ? { is_error: true } : {}
  const written = { type: 'tool_result', tool_use_id: context.ids.toWire(result.callId), ...defined({ content }), ...error }
  return context.marks.put(written, result.cache, path)
}

/** A result may be empty; one text is written as a string, which every compatible server takes. */
function resultBlocks({ content }: ToolResultContent, path: string, context: ContentContext): unknown {
  if ('kind' in content) return typeof content.value === 'string' ? content.value : JSON.stringify(content.value)
  const [only] = content
  if (content.length === 1 && only?.type === 'text' && only.cache === undefined) return only.text
  const blocks = content.flatMap((part, at) => encodePart(part, `${path}.content[${at}]`, context))
  return blocks.length === 0 ? undefined : blocks
}

/** Leaves out of an assistant's turn what only a user can show. */
export function refuseShown(part: Content, path: string, losses: Loss[]): boolean {
  if (part.type !== 'image' && part.type !== 'file') return false
  losses.push(refusal(path, 'content.foreign', `an assistant message cannot hold ${part.type === 'image' ? 'an image' : 'a file'} here`))
  return true
}

/** Reports a turn that had nothing but empty texts. */
export function emptyTurn(path: string): Loss {
  return omitted(path, 'text.empty', 'a turn without a visible character is left out')
}
