/** Citations of this wire: places are bytes of UTF-8, where everybody else counts UTF-16 units. */
import type { Extra } from '../../completion/part.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'

type Json = Readonly<Record<string, unknown>>
type Citation = Extract<Extra, { kind: 'citation' }>

/**
 * Reads what a candidate was grounded on: each source at each place that it supports, and once without a place when it
 * supports none.
 *
 * @param text - All text of the candidate, thoughts excepted.
 * @see https://ai.google.dev/api/generate-content#GroundingMetadata
 */
export function decodeCitations(grounding: unknown, recitation: unknown, text: string): readonly Citation[] {
  return [...decodeGrounding(grounding, text), ...decodeRecitation(recitation, text)]
}

function decodeGrounding(grounding: unknown, text: string): readonly Citation[] {
  if (!isRecord(grounding)) return []
  const sources = recordsOf(grounding['groundingChunks']).map(sourceOf)
  const used = new Set<number>()
  const placed = recordsOf(grounding['groundingSupports']).flatMap((support) => {
    const indices = Array.isArray(support['groundingChunkIndices']) ? (support['groundingChunkIndices'] as readonly unknown[]) : []
    return indices.flatMap((index): Citation[] => {
      const source = typeof index === 'number' ? sources[index] : undefined
      if (source === undefined || typeof index !== 'number') return []
      used.add(index)
      return [{ kind: 'citation', ...source, ...placeOf(support['segment'], text), raw: support }]
    })
  })
  const unplaced = sources.flatMap((source, index): Citation[] =>
    source === undefined || used.has(index) ? [] : [{ kind: 'citation', ...source, raw: source }],
  )
  return [...placed, ...unplaced]
}

/** @see https://ai.google.dev/api/generate-content#CitationMetadata */
function decodeRecitation(recitation: unknown, text: string): readonly Citation[] {
  const given = isRecord(recitation) ? (recitation['citationSources'] ?? recitation['citations']) : undefined
  return recordsOf(given).flatMap((source): Citation[] => {
    const { uri, title } = source
    if (typeof uri !== 'string' || uri === '') return []
    const named = typeof title === 'string' ? { title } : {}
    return [{ kind: 'citation', url: uri, ...named, ...placeOf(source, text), raw: source }]
  })
}

function recordsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function sourceOf(chunk: Json): { readonly url: string; readonly title?: string } | undefined {
  const source = [chunk['web'], chunk['retrievedContext'], chunk['maps']].find(isRecord)
  if (source === undefined || typeof source['uri'] !== 'string') return undefined
  return { url: source['uri'], ...(typeof source['title'] === 'string' ? { title: source['title'] } : {}) }
}

function placeOf(segment: unknown, text: string): { readonly start?: number; readonly end?: number } {
  if (!isRecord(segment)) return {}
  const { startIndex = 0, endIndex } = segment
  if (typeof startIndex !== 'number' || typeof endIndex !== 'number' || endIndex <= startIndex) return {}
  const bytes = Buffer.from(text)
  if (startIndex < 0 || endIndex > bytes.length) return {}
  const unitsBefore = (at: number): number => bytes.subarray(0, at).toString().length
  return { start: unitsBefore(startIndex), end: unitsBefore(endIndex) }
}

/** Writes citations as the metadata of a candidate; a source that is cited twice stands once. */
export function encodeCitations(citations: readonly Citation[], text: string): Json | undefined {
  if (citations.length === 0) return undefined
  const urls = [...new Set(citations.map(({ url }) => url))]
  const groundingChunks = urls.map((url) => ({
    web: defined({ uri: url, title: citations.find((citation) => citation.url === url && citation.title !== undefined)?.title }),
  }))
  const groundingSupports = citations.flatMap(({ url, start, end }) => {
    if (start === undefined || end === undefined || end <= start || end > text.length) return []
    const bytesBefore = (at: number): number => Buffer.byteLength(text.slice(0, at))
    const segment = { startIndex: bytesBefore(start), endIndex: bytesBefore(end), text: text.slice(start, end) }
    return [{ segment, groundingChunkIndices: [urls.indexOf(url)] }]
  })
  return { groundingChunks, groundingSupports }
}
