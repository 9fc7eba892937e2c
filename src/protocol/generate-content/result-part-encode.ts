/** Encodes the result of a tool call. */
import type { MediaContent, ToolResultContent } from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import type { RenameTable } from '../rename-table.ts'
import { wireToolId } from '../tool-ids.ts'
import type { ModelTraits } from './generation.ts'
import { encodeMedia } from './media-encode.ts'

type Json = Readonly<Record<string, unknown>>

type Work = {
  readonly names: RenameTable
  readonly traits: ModelTraits
  readonly losses: Loss[]
  /** The tool that was called, when that is known. */
  readonly name: string | undefined
}

/** The API wants a name with every result; a history that has lost it still has the call's id. */
const NAMELESS = 'unknown_tool'

/**
 * Writes a `functionResponse`: a JSON object as it is, anything else under `output`, and an error under `error`. Text is
 * never parsed, so that no number in it changes.
 *
 * @see https://ai.google.dev/api/caching#FunctionResponse
 */
export function encodeToolResult(result: ToolResultContent, path: string, work: Work): readonly Json[] {
  const { response, media } = readContent(result, path, work.losses)
  const base = { id: wireToolId(result.callId, 'google'), name: work.names.toWire(work.name ?? NAMELESS), response }
  const encoded = media.flatMap((part) => encodeMedia(part, path, work.losses))
  if (encoded.length === 0) return [{ functionResponse: base }]
  if (work.traits.takesResultMedia && encoded.every((part) => 'inlineData' in part))
    return [{ functionResponse: { ...base, parts: encoded } }]
  work.losses.push(approximated(path, 'tool_result.media', 'media of a result follows after the results'))
  return [{ functionResponse: base }, ...encoded]
}

function readContent(
  result: ToolResultContent,
  path: string,
  losses: Loss[],
): { readonly response: Json; readonly media: readonly MediaContent[] } {
  const { content, isError } = result
  if ('kind' in content) {
    const { value } = content
    if (isError) return { response: { error: value }, media: [] }
    return { response: isRecord(value) ? value : { output: value }, media: [] }
  }
  const texts: string[] = []
  const media: MediaContent[] = []
  for (const part of content) {
    if (part.type === 'text') texts.push(part.text)
    else if (part.type === 'foreign') losses.push(unsupported(path, 'content.foreign', 'only its own wire has this kind of content'))
    else media.push(part)
  }
  return { response: { [isError ? 'error' : 'output']: texts.join('\n') }, media }
}
