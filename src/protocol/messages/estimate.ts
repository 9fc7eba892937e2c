/** Counts tokens of a request from its text, for answers to which nobody has given a count. */
import type { CompletionRequest, Content, Tool } from '../../completion/request.ts'
import { TYPICAL_BYTES_PER_TOKEN, TYPICAL_IMAGE_TOKENS } from '../token-bounds.ts'

/** Roles and separators that a template puts around each message. */
const FRAME_TOKENS = 4

/** Instructions that come with tools, whatever they are. */
const TOOLS_FRAME_TOKENS = 300

/** A page of a document takes about this many, and this many bytes. */
const PAGE_TOKENS = 2_000
const PAGE_BYTES = 50_000

/** Guesses the tokens of a text; never less than one where there is any. */
export function estimateText(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / TYPICAL_BYTES_PER_TOKEN)
}

/** Guesses the input tokens of a request: what it says, what it shows, and its tools. Not to be billed by. */
export function estimateInput(request: CompletionRequest): number {
  const said = request.system.map(({ text }) => estimateText(text) + FRAME_TOKENS)
  const turns = request.turns.map(({ parts }) => FRAME_TOKENS + total(parts.map(estimateContent)))
  const tools = request.tools.length === 0 ? 0 : TOOLS_FRAME_TOKENS + total(request.tools.map(estimateTool))
  const format = request.output.kind === 'schema' ? estimateText(JSON.stringify(request.output.schema)) : 0
  return total(said) + total(turns) + tools + format
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function estimateTool(tool: Tool): number {
  switch (tool.type) {
    case 'function':
      return estimateText(tool.name + (tool.description ?? '') + JSON.stringify(tool.schema))
    case 'freeform':
      return estimateText(tool.name + (tool.description ?? '') + (tool.grammar?.definition ?? ''))
    case 'hosted':
    case 'client-builtin':
      return estimateText(JSON.stringify(tool.raw))
  }
}

function estimateContent(part: Content): number {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return estimateText(part.text)
    case 'reasoning':
      return total(part.text.map(estimateText))
    case 'tool-call':
      return estimateText(part.name + part.arguments.text)
    case 'tool-result':
      return Array.isArray(part.content) ? total(part.content.map(estimateContent)) : estimateText(JSON.stringify(part.content))
    case 'foreign':
      return estimateText(JSON.stringify(part.raw))
    case 'image':
      return TYPICAL_IMAGE_TOKENS
    case 'audio':
    case 'video':
    case 'file':
      return part.source.kind === 'text' ? estimateText(part.source.text) : pages(part.source)
  }
}

function pages(source: { readonly kind: string; readonly base64?: string }): number {
  return PAGE_TOKENS * Math.max(1, Math.ceil((source.base64?.length ?? 0) / PAGE_BYTES))
}
