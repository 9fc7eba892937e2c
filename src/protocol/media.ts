/** Reads data URLs, names media types one way, and tells which wire takes which. */
import type { MediaContent, MediaSource, WireId } from '../completion/request.ts'
import { RouteplaneError } from '../errors.ts'

export type InlineMedia = { readonly mimeType: string; readonly base64: string }

/** What a data URL without a type means. */
const DEFAULT_MIME_TYPE = 'text/plain'

/** Spellings seen in the wild, and the registered names they mean. */
const synonyms: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-png': 'image/png',
  'audio/mp3': 'audio/mpeg',
  'audio/x-mp3': 'audio/mpeg',
  'audio/x-wav': 'audio/wav',
  'audio/wave': 'audio/wav',
  'audio/vnd.wave': 'audio/wav',
  'application/x-pdf': 'application/pdf',
}

/** Gives a media type in lower case, without parameters, by its registered name. */
export function normaliseMimeType(mimeType: string): string {
  const essence = (mimeType.split(';', 1)[0] ?? '').trim().toLowerCase()
  return Object.hasOwn(synonyms, essence) ? (synonyms[essence] ?? essence) : essence
}

/**
 * Reads a `data:` URL, base64 or percent-encoded, into base64 with its padding.
 *
 * @returns `undefined` when it is no data URL or its data is broken.
 * @see https://www.rfc-editor.org/rfc/rfc2397#section-3
 */
export function parseDataUrl(url: string): InlineMedia | undefined {
  if (url.slice(0, 5).toLowerCase() !== 'data:') return undefined
  const comma = url.indexOf(',')
  if (comma === -1) return undefined
  const head = url.slice(5, comma)
  const data = url.slice(comma + 1)
  const isBase64 = /;\s*base64\s*$/i.test(head.slice(-20))
  const base64 = isBase64 ? normaliseBase64(data) : percentDecoded(data)?.toString('base64')
  if (base64 === undefined) return undefined
  const mimeType = normaliseMimeType(head)
  return { mimeType: mimeType === '' ? DEFAULT_MIME_TYPE : mimeType, base64 }
}

/** Writes inline media as a data URL. */
export function toDataUrl({ mimeType, base64 }: InlineMedia): string {
  return `data:${mimeType};base64,${base64}`
}

/** Checks base64 or base64url and gives it as padded base64 without white space; `undefined` when it is broken. */
export function normaliseBase64(text: string): string | undefined {
  const dense = /[\s%]/.test(text) ? percentDecodedText(text)?.replace(/\s+/g, '') : text
  if (dense === undefined) return undefined
  const body = dense
    .replace(/={1,2}$/, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
  if (body.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(body)) return undefined
  return body.padEnd(body.length + ((4 - (body.length % 4)) % 4), '=')
}

/**
 * Reads the URL of a picture or file a caller gave: inline data, or an address on the web.
 *
 * @param path - Where it stands in the request, for the complaint.
 * @throws {@link RouteplaneError} `invalid_request` for a broken data URL and for any scheme but `http` and `https`;
 *   whether the address may be fetched is not decided here.
 */
export function readMediaUrl(url: string, path: string): MediaSource {
  if (url.slice(0, 5).toLowerCase() === 'data:') {
    const inline = parseDataUrl(url)
    if (inline === undefined) throw invalid(path, 'is not a well-formed data: URL')
    return { kind: 'inline', ...inline }
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') throw invalid(path, 'must be a data:, http: or https: URL')
  return { kind: 'url', url }
}

type Kind = MediaContent['type']

const webImages = ['image/jpeg', 'image/png', 'image/gif', 'image/webp']
const openAi: Readonly<Record<Kind, readonly string[]>> = {
  image: webImages,
  audio: ['audio/wav', 'audio/mpeg'],
  video: [],
  file: ['application/pdf'],
}

/**
 * The inline media each wire takes.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/vision
 * @see https://ai.google.dev/gemini-api/docs/image-understanding
 */
const accepted: Readonly<Record<WireId, Readonly<Record<Kind, readonly string[]>>>> = {
  chat_completions: openAi,
  responses: { ...openAi, audio: [] },
  messages: { image: webImages, audio: [], video: [], file: ['application/pdf', 'text/plain'] },
  generate_content: {
    image: ['image/jpeg', 'image/png', 'image/webp', 'image/heic', 'image/heif'],
    audio: ['audio/wav', 'audio/mpeg', 'audio/aiff', 'audio/aac', 'audio/ogg', 'audio/flac'],
    video: ['video/mp4', 'video/mpeg', 'video/quicktime', 'video/x-msvideo', 'video/x-flv', 'video/webm', 'video/x-ms-wmv', 'video/3gpp'],
    file: ['application/pdf', 'text/plain'],
  },
}

/** Tells whether a wire takes inline media of a type. */
export function takesMedia(wire: WireId, kind: Kind, mimeType: string): boolean {
  return accepted[wire][kind].includes(normaliseMimeType(mimeType))
}

/** Names a media type the way OpenAI's `input_audio.format` does; `undefined` for what it does not take. */
export function audioFormatOf(mimeType: string): 'wav' | 'mp3' | undefined {
  const name = normaliseMimeType(mimeType)
  if (name === 'audio/wav') return 'wav'
  return name === 'audio/mpeg' ? 'mp3' : undefined
}

/** Whose first bytes say what they are: offset, bytes in Latin-1, type. */
const magic: readonly (readonly [number, string, string])[] = [
  [0, '\x89PNG\r\n\x1a\n', 'image/png'],
  [0, '\xff\xd8\xff', 'image/jpeg'],
  [0, 'GIF87a', 'image/gif'],
  [0, 'GIF89a', 'image/gif'],
  [8, 'WEBP', 'image/webp'],
  [0, 'BM', 'image/bmp'],
  [4, 'ftypheic', 'image/heic'],
  [4, 'ftypheix', 'image/heic'],
  [4, 'ftypmif1', 'image/heif'],
  [0, '%PDF-', 'application/pdf'],
  [8, 'WAVE', 'audio/wav'],
  [0, 'ID3', 'audio/mpeg'],
  [0, 'OggS', 'audio/ogg'],
  [0, 'fLaC', 'audio/flac'],
]

/**
 * Reads the media type off the first bytes, for media whose declared type cannot be trusted: Anthropic refuses an image
 * whose bytes contradict it.
 *
 * @returns `undefined` when the bytes are of no known kind.
 */
export function sniffMimeType(base64: string): string | undefined {
  const head = Buffer.from(base64.slice(0, 32), 'base64').toString('latin1')
  return magic.find(([offset, bytes]) => head.startsWith(bytes, offset))?.[2]
}

function percentDecoded(text: string): Buffer | undefined {
  const decoded = percentDecodedText(text)
  return decoded === undefined ? undefined : Buffer.from(decoded, 'latin1')
}

/** Gives one character per byte, so that octets which are not UTF-8 survive. */
function percentDecodedText(text: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined
  const bytes = Buffer.from(text, 'utf8').toString('latin1')
  return bytes.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function invalid(path: string, problem: string): RouteplaneError {
  const where = path.slice(0, 200)
  return new RouteplaneError('invalid_request', `${where} ${problem}`, { details: { path: where } })
}
