/** Media on this wire: bytes with their type, or the address of a file. */
import type { ForeignContent, MediaContent, MediaSource, TextContent } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { normaliseBase64, normaliseMimeType } from '../media.ts'
import { invalidRequest } from '../invalid-request.ts'

const WIRE = 'generate_content'

/** What kind of content a media type names; what is none of the three that are seen or heard is a file. */
export function modalityOf(mimeType: string): MediaContent['type'] {
  const [kind] = mimeType.trim().toLowerCase().split('/', 1)
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file'
}

type WireMedia = {
  readonly inlineData?: { readonly mimeType?: string | null | undefined; readonly data: string } | null | undefined
  readonly fileData?: { readonly mimeType?: string | null | undefined; readonly fileUri: string } | null | undefined
}

/**
 * Decodes the media of a part; `undefined` when it has none.
 *
 * @throws RouteplaneError `invalid_request` for data that is no base64.
 */
export function decodeMedia({ inlineData, fileData }: WireMedia, path: string): MediaContent | undefined {
  if (inlineData !== undefined && inlineData !== null) {
    const mimeType = normaliseMimeType(inlineData.mimeType ?? 'application/octet-stream')
    const base64 = normaliseBase64(inlineData.data)
    if (base64 === undefined) throw invalidRequest(`${path}.inlineData.data`, 'must be base64')
    return { type: modalityOf(mimeType), source: { kind: 'inline', mimeType, base64 } }
  }
  if (fileData === undefined || fileData === null) return undefined
  const mimeType = typeof fileData.mimeType === 'string' && fileData.mimeType !== '' ? normaliseMimeType(fileData.mimeType) : undefined
  return { type: mimeType === undefined ? typeOfUri(fileData.fileUri) : modalityOf(mimeType), source: sourceOf(fileData.fileUri, mimeType) }
}

/** Google's own file store, whose addresses nobody else can read. */
const OWN_FILES = /^https:\/\/generativelanguage\.googleapis\.com\//i

function sourceOf(uri: string, mimeType: string | undefined): MediaSource {
  if (!/^https?:\/\//i.test(uri) || OWN_FILES.test(uri)) return { kind: 'id', wire: WIRE, id: uri }
  return { kind: 'url', url: uri, ...defined({ mimeType }) }
}

/** A page of a video site stands for its video. @see https://ai.google.dev/gemini-api/docs/video-understanding#youtube */
function typeOfUri(uri: string): MediaContent['type'] {
  return /^https?:\/\/(?:www\.)?(?:youtube\.com|youtu\.be)\//i.test(uri) ? 'video' : modalityOf(mimeTypeOfUrl(uri) ?? '')
}

const extensions: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  pdf: 'application/pdf',
  txt: 'text/plain',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  mp4: 'video/mp4',
  webm: 'video/webm',
}

/** Guesses a media type by the end of an address's path; `undefined` when it says nothing. */
export function mimeTypeOfUrl(url: string): string | undefined {
  const end = /\.([a-z0-9]{2,4})$/i.exec(url.split(/[?#]/, 1)[0] ?? '')?.[1]?.toLowerCase() ?? ''
  return Object.hasOwn(extensions, end) ? extensions[end] : undefined
}

export type ResultPart = TextContent | MediaContent | ForeignContent
