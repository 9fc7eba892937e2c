/** Decodes the content of a Responses message or tool output into neutral parts. */
import type { CacheMark, ForeignContent, MediaContent, MediaSource, RefusalContent, TextContent } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import { parseDataUrl, readMediaUrl } from '../media.ts'
import { audioPart, filePart, imagePart, refusalPart, textPart, type Part } from './item-schema.ts'

const WIRE = 'responses'

export type MessagePart = TextContent | RefusalContent | MediaContent | ForeignContent

/** Decodes content in order; empty texts are left out. @throws RouteplaneError `invalid_request` naming the JSON path. */
export function decodeContent(content: string | readonly Part[], path: string): readonly MessagePart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return content.flatMap((part, index) => decodePart(part, `${path}[${index}]`))
}

function decodePart(part: Part, path: string): readonly MessagePart[] {
  const cache = decodeCacheMark(part)
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text': {
      const { text } = textPart.parse(part)
      return text === '' ? [] : [{ type: 'text', text, ...cache }]
    }
    case 'refusal':
      return [{ type: 'refusal', text: refusalPart.parse(part).refusal }]
    case 'input_image': {
      const image = imagePart.parse(part)
      const detail = defined({ detail: image.detail ?? undefined })
      return [{ type: 'image', source: imageSource(image.image_url, image.file_id, path), ...detail, ...cache }]
    }
    case 'input_file':
      return [{ ...decodeFile(part, path), ...cache }]
    case 'input_audio': {
      const { data, format } = audioPart.parse(part).input_audio
      const mimeType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`
      return [{ type: 'audio', source: { kind: 'inline', mimeType, base64: data }, ...cache }]
    }
    default:
      return [{ type: 'foreign', wire: WIRE, raw: part }]
  }
}

function imageSource(url: string | null | undefined, id: string | null | undefined, path: string): MediaSource {
  if (typeof url === 'string') return readMediaUrl(url, `${path}.image_url`)
  if (typeof id === 'string') return { kind: 'id', wire: WIRE, id }
  throw invalidRequest(path, 'must have image_url or file_id')
}

function decodeFile(part: Part, path: string): MediaContent {
  const file = filePart.parse(part)
  const filename = defined({ filename: file.filename ?? undefined })
  if (typeof file.file_data === 'string') {
    const inline = parseDataUrl(file.file_data) ?? { mimeType: 'application/pdf', base64: file.file_data }
    return { type: 'file', source: { kind: 'inline', ...inline }, ...filename }
  }
  if (typeof file.file_url === 'string') return { type: 'file', source: readMediaUrl(file.file_url, `${path}.file_url`), ...filename }
  if (typeof file.file_id === 'string') return { type: 'file', source: { kind: 'id', wire: WIRE, id: file.file_id }, ...filename }
  throw invalidRequest(path, 'must have file_data, file_url or file_id')
}

/** @see https://platform.openai.com/docs/guides/prompt-caching */
function decodeCacheMark(part: Readonly<Record<string, unknown>>): { readonly cache?: CacheMark } {
  const mark = part['prompt_cache_breakpoint']
  if (!isRecord(mark)) return {}
  const { ttl } = mark
  return { cache: ttl === '5m' || ttl === '30m' || ttl === '1h' || ttl === '12h' ? { ttl } : {} }
}
