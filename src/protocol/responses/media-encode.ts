/** Encodes texts and media as the content parts of this wire. */
import type { Content, MediaContent, MediaSource, TextContent } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import { takesMedia, toDataUrl } from '../media.ts'
import { encodeCacheMark } from '../openai-cache-mark.ts'

type Json = Readonly<Record<string, unknown>>

/** Where losses go, and whether the model knows explicit cache marks. */
export type ContentWork = { readonly losses: Loss[]; readonly takesCacheMarks: boolean }

/** Encodes parts of a message that is not the assistant's, or of a tool's output; what cannot go is reported. */
export function encodeParts(parts: readonly Content[], path: string, work: ContentWork): readonly Json[] {
  return parts.flatMap((part, index) => encodePart(part, `${path}[${index}]`, work))
}

function encodePart(part: Content, path: string, work: ContentWork): readonly Json[] {
  switch (part.type) {
    case 'text':
      return [encodeText(part, path, work)]
    case 'image':
    case 'file':
    case 'audio':
    case 'video':
      return encodeMedia(part, path, work).map((media) => ({ ...media, ...encodeCacheMark(part.cache, path, work) }))
    case 'refusal':
      return [{ type: 'input_text', text: part.text }]
    case 'foreign':
      if (part.wire === 'responses' && isRecord(part.raw)) return [part.raw]
      work.losses.push(unsupported(path, 'content.foreign', 'only its own wire understands it'))
      return []
    case 'reasoning':
    case 'tool-call':
    case 'tool-result':
      work.losses.push(unsupported(path, 'message.role', 'it cannot stand in a turn of this role'))
      return []
  }
}

function encodeText(part: TextContent, path: string, work: ContentWork): Json {
  return { type: 'input_text', text: part.text, ...encodeCacheMark(part.cache, path, work) }
}

function encodeMedia(part: MediaContent, path: string, work: ContentWork): readonly Json[] {
  const { source } = part
  if (source.kind === 'text') {
    work.losses.push(approximated(path, 'document.text', 'the document is sent as text under its title'))
    return [{ type: 'input_text', text: source.title === undefined ? source.text : `${source.title}\n\n${source.text}` }]
  }
  if (part.type === 'audio' || part.type === 'video') {
    work.losses.push(unsupported(path, part.type === 'audio' ? 'audio.input' : 'video.input', `Responses takes no ${part.type}`))
    return []
  }
  if (source.kind === 'id' && source.wire !== 'responses') {
    work.losses.push(unsupported(path, 'file.id', 'the file is in another provider’s store'))
    return []
  }
  if (part.type === 'file') return [{ type: 'input_file', ...encodeFile(part, source) }]
  if (source.kind === 'inline' && !takesMedia('responses', 'image', source.mimeType)) {
    work.losses.push(unsupported(path, 'image.format', 'Responses does not take images of this type'))
    return []
  }
  return [
    {
      type: 'input_image',
      detail: part.detail ?? 'auto',
      ...(source.kind === 'id' ? { file_id: source.id } : { image_url: urlOf(source) }),
    },
  ]
}

type Reachable = Exclude<MediaSource, { readonly kind: 'text' }>

/** Inline files need a name, whose ending tells the vendor what they are. */
function encodeFile(part: MediaContent, source: Reachable): Json {
  if (source.kind === 'id') return { file_id: source.id }
  if (source.kind === 'url') return defined({ file_url: source.url, filename: part.filename })
  const isPdf = source.mimeType === 'application/pdf'
  return { filename: part.filename ?? (isPdf ? 'document.pdf' : 'document.txt'), file_data: toDataUrl(source) }
}

function urlOf(source: Extract<Reachable, { readonly kind: 'inline' | 'url' }>): string {
  return source.kind === 'url' ? source.url : toDataUrl(source)
}
