/** Decodes the content blocks of Messages into neutral parts. */
import type { CacheMark, Content, ForeignContent, MediaContent, MediaSource, TextContent, UnknownField } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import { normaliseMimeType } from '../media.ts'
import { unmodelled } from '../unmodelled.ts'
import { modelledBlock } from './modelled.ts'
import { decodeRedacted, decodeThinking, rejoinCarriers } from './thinking.ts'
import {
  documentBlock,
  imageBlock,
  redactedBlock,
  searchResultBlock,
  textBlock,
  thinkingBlock,
  toolResultBlock,
  toolUseBlock,
  type Block,
} from './schema.ts'

const WIRE = 'messages'

type Json = Readonly<Record<string, unknown>>

/** Decodes content in order; empty texts are left out, and members that no wire else has go to `unknown`. */
export function decodeContent(content: string | readonly Block[], path: string, unknown: UnknownField[]): readonly Content[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  const parts = content.flatMap((block, index) => {
    const where = `${path}[${index}]`
    const decoded = decodeBlock(block, where, unknown)
    if (decoded.some(({ type }) => type !== 'foreign')) unknown.push(...unmodelled(block, modelledBlock, where))
    return decoded
  })
  return rejoinCarriers(parts)
}

function decodeBlock(block: Block, path: string, unknown: UnknownField[]): readonly Content[] {
  const cache = decodeCacheMark(block.cache_control)
  switch (block.type) {
    case 'text': {
      const { text } = textBlock.parse(block)
      return text === '' ? [] : [{ type: 'text', text, ...cache }]
    }
    case 'image':
      return [{ type: 'image', source: decodeSource(imageBlock.parse(block).source), ...cache }]
    case 'document':
      return [decodeDocument(block)]
    case 'search_result':
      return [decodeSearchResult(block)]
    case 'tool_use': {
      const { id, name, input } = toolUseBlock.parse(block)
      return [{ type: 'tool-call', id, name, arguments: { kind: 'json', text: JSON.stringify(input), value: input }, ...cache }]
    }
    case 'tool_result':
      return [decodeToolResult(block, path, unknown)]
    case 'thinking': {
      const { thinking, signature } = thinkingBlock.parse(block)
      return [decodeThinking(thinking, signature ?? '')]
    }
    case 'redacted_thinking':
      return decodeRedacted(redactedBlock.parse(block).data)
    default:
      return [foreign(block)]
  }
}

function foreign(raw: Json): ForeignContent {
  return { type: 'foreign', wire: WIRE, raw }
}

type WebSource =
  | { readonly type: 'base64'; readonly media_type: string; readonly data: string }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'file'; readonly file_id: string }

function decodeSource(source: WebSource): Exclude<MediaSource, { kind: 'text' }> {
  switch (source.type) {
    case 'base64':
      return { kind: 'inline', mimeType: normaliseMimeType(source.media_type), base64: source.data }
    case 'url':
      return { kind: 'url', url: source.url }
    case 'file':
      return { kind: 'id', wire: WIRE, id: source.file_id }
  }
}

/** A document whose passages the answer must cite exists on this wire alone. */
function decodeDocument(block: Block): MediaContent | ForeignContent {
  const { source, title, citations } = documentBlock.parse(block)
  if (citations?.enabled === true) return foreign(block)
  const cache = decodeCacheMark(block.cache_control)
  const named = title ?? undefined
  if (source.type === 'text') return { type: 'file', source: textSource(source.data, named), ...cache }
  if (source.type === 'content') {
    const text = textOf(source.content)
    return text === undefined ? foreign(block) : { type: 'file', source: textSource(text, named), ...cache }
  }
  const decoded = decodeSource(source)
  // The reference takes no other kind of file by its URL.
  const typed = decoded.kind === 'url' ? { ...decoded, mimeType: 'application/pdf' } : decoded
  return { type: 'file', source: typed, ...defined({ filename: named }), ...cache }
}

function textSource(text: string, title: string | undefined): MediaSource {
  return { kind: 'text', text, ...defined({ title }) }
}

/** @returns `undefined` when there is more than text in it. */
function textOf(content: string | readonly { readonly type: string; readonly text?: unknown }[]): string | undefined {
  if (typeof content === 'string') return content
  const texts = content.map(({ type, text }) => (type === 'text' && typeof text === 'string' ? text : undefined))
  return texts.includes(undefined) ? undefined : texts.join('\n\n')
}

/** @see https://docs.anthropic.com/en/docs/build-with-claude/search-results */
function decodeSearchResult(block: Block): MediaContent | ForeignContent {
  const { source, title, content, citations } = searchResultBlock.parse(block)
  if (citations?.enabled === true) return foreign(block)
  const text = content.map((part) => part.text).join('\n\n')
  return { type: 'file', source: textSource(text, `${title} (${source})`), ...decodeCacheMark(block.cache_control) }
}

function decodeToolResult(block: Block, path: string, unknown: UnknownField[]): Extract<Content, { type: 'tool-result' }> {
  const { tool_use_id: callId, content, is_error: isError } = toolResultBlock.parse(block)
  const parts = decodeContent((content ?? '') as string | readonly Block[], `${path}.content`, unknown).map((part) => {
    if (isResultPart(part)) return part
    throw invalidRequest(`${path}.content`, 'has a block that a tool result cannot carry')
  })
  return { type: 'tool-result', callId, isError: isError ?? false, content: parts, ...decodeCacheMark(block.cache_control) }
}

function isResultPart(part: Content): part is TextContent | MediaContent | ForeignContent {
  return ['text', 'image', 'audio', 'video', 'file', 'foreign'].includes(part.type)
}

/** @see https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching */
export function decodeCacheMark(mark: unknown): { readonly cache?: CacheMark } {
  if (!isRecord(mark)) return {}
  const { ttl } = mark
  return { cache: ttl === '5m' || ttl === '1h' ? { ttl } : {} }
}
