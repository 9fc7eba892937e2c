/** Encodes texts and media as the content parts of this wire, and reports what it cannot show. */
import type { CacheMark, Content, MediaContent, TextContent } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, refusal, unsupported, type Loss } from '../loss.ts'
import { audioFormatOf, normaliseMimeType, takesMedia, toDataUrl } from '../media.ts'
import { encodeCacheMark } from '../openai-cache-mark.ts'
import type { OpenAiTraits } from '../openai-models.ts'

type Json = Readonly<Record<string, unknown>>

export type ContentWork = { readonly losses: Loss[]; readonly traits: OpenAiTraits }

/** A part with its place among those of its turn, by which losses are told. */
export type Placed<T extends Content = Content> = { readonly part: T; readonly path: string }

/** Writes content as a string where one plain text is all there is, which is what every compatible server takes. */
export function encodeContent(placed: readonly Placed[], work: ContentWork): unknown {
  if (placed.length === 0) return ''
  const [only] = placed
  if (placed.length === 1 && only?.part.type === 'text' && (only.part.cache === undefined || !work.traits.cacheMarks)) {
    encodeCache(only.part.cache, only.path, work)
    return only.part.text
  }
  return placed.flatMap(({ part, path }) => encodePart(part, path, work))
}

/** Encodes one part; none when it cannot be said. */
export function encodePart(part: Content, path: string, work: ContentWork): readonly Json[] {
  switch (part.type) {
    case 'text':
      return [encodeText(part, path, work)]
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
      return encodeMedia(part, path, work).map((media) => ({ ...media, ...encodeCache(part.cache, path, work) }))
    case 'refusal':
      return [{ type: 'refusal', refusal: part.text }]
    case 'foreign':
      if (part.wire === 'chat_completions' && isRecord(part.raw)) return [part.raw]
      work.losses.push(unsupported(path, 'content.foreign', 'only its own wire understands it'))
      return []
    case 'reasoning':
    case 'tool-call':
    case 'tool-result':
      work.losses.push(refusal(path, 'message.role', `${part.type} cannot stand in a turn of this role`))
      return []
  }
}

function encodeText(part: TextContent, path: string, work: ContentWork): Json {
  return { type: 'text', text: part.text, ...encodeCache(part.cache, path, work) }
}

function encodeCache(cache: CacheMark | undefined, path: string, { losses, traits }: ContentWork): Json {
  return encodeCacheMark(cache, path, { losses, takesCacheMarks: traits.cacheMarks })
}

function encodeMedia(part: MediaContent, path: string, work: ContentWork): readonly Json[] {
  const { source } = part
  if (source.kind === 'text') {
    work.losses.push(approximated(path, 'document.text', 'the document is sent as text under its title'))
    return [{ type: 'text', text: source.title === undefined ? source.text : `${source.title}\n\n${source.text}` }]
  }
  switch (part.type) {
    case 'image':
      return encodeImage(part, path, work)
    case 'audio':
      return encodeAudio(part, path, work)
    case 'video':
      return encodeVideo(part, path, work)
    case 'file':
      return encodeFile(part, path, work)
  }
}

function foreignId(path: string, { losses }: ContentWork): readonly Json[] {
  losses.push(unsupported(path, 'file.id', 'it is in another provider’s store'))
  return []
}

function encodeImage({ source, detail }: MediaContent, path: string, work: ContentWork): readonly Json[] {
  if (source.kind === 'id') return foreignId(path, work)
  if (source.kind === 'text') return []
  if (source.kind === 'inline' && !takesMedia('chat_completions', 'image', source.mimeType)) {
    work.losses.push(unsupported(path, 'image.format', 'Chat Completions does not take images of this type'))
    return []
  }
  return [{ type: 'image_url', image_url: defined({ url: source.kind === 'url' ? source.url : toDataUrl(source), detail }) }]
}

/** @see https://platform.openai.com/docs/guides/audio: inline, as WAV or MP3. */
function encodeAudio({ source }: MediaContent, path: string, { losses }: ContentWork): readonly Json[] {
  const format = source.kind === 'inline' ? audioFormatOf(source.mimeType) : undefined
  if (source.kind === 'inline' && format !== undefined) return [{ type: 'input_audio', input_audio: { data: source.base64, format } }]
  losses.push(unsupported(path, 'audio.input', 'Chat Completions takes audio inline, as WAV or MP3'))
  return []
}

/** Not the vendor's, but what compatible servers take whose models see moving pictures. */
function encodeVideo({ source }: MediaContent, path: string, work: ContentWork): readonly Json[] {
  if (source.kind === 'id') return foreignId(path, work)
  if (work.traits.own || source.kind === 'text') {
    work.losses.push(unsupported(path, 'video.input', 'this model takes no video'))
    return []
  }
  return [{ type: 'video_url', video_url: { url: source.kind === 'url' ? source.url : toDataUrl(source) } }]
}

function encodeFile({ source, filename }: MediaContent, path: string, work: ContentWork): readonly Json[] {
  if (source.kind === 'inline') {
    const mimeType = normaliseMimeType(source.mimeType)
    if (mimeType.startsWith('text/')) {
      work.losses.push(approximated(path, 'document.text', 'the document is sent as text'))
      return [{ type: 'text', text: Buffer.from(source.base64, 'base64').toString('utf8') }]
    }
    // The vendor tells a file's kind by the ending of its name.
    const name = filename ?? (mimeType === 'application/pdf' ? 'document.pdf' : undefined)
    return [{ type: 'file', file: defined({ filename: name, file_data: toDataUrl(source) }) }]
  }
  if (source.kind === 'id') {
    return source.wire === 'chat_completions' ? [{ type: 'file', file: defined({ filename, file_id: source.id }) }] : foreignId(path, work)
  }
  work.losses.push(refusal(path, 'file.url', 'Chat Completions takes files inline only'))
  return []
}
