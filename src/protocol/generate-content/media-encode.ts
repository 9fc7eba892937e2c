/** Encodes media as parts of this wire. */
import type { MediaContent, Turn } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { approximated, refusal, unsupported, type Loss, type LossFeature } from '../loss.ts'
import { takesMedia } from '../media.ts'
import { mimeTypeOfUrl } from './media.ts'

type Json = Readonly<Record<string, unknown>>

const WIRE = 'generate_content'

const formatFeature: Readonly<Record<MediaContent['type'], LossFeature>> = {
  image: 'image.format',
  audio: 'audio.input',
  video: 'video.input',
  file: 'file.id',
}

/** @see https://ai.google.dev/api/caching#Part, `inlineData` and `fileData` */
export function encodeMedia(media: MediaContent, path: string, losses: Loss[]): readonly Json[] {
  const { type, source } = media
  switch (source.kind) {
    case 'inline':
      if (!takesMedia(WIRE, type, source.mimeType) && !isText(type, source.mimeType)) {
        losses.push(refusal(path, formatFeature[type], `this wire takes no ${type} of the type ${source.mimeType.slice(0, 60)}`))
        return []
      }
      return [{ inlineData: { mimeType: source.mimeType, data: source.base64 } }]
    case 'url': {
      losses.push(approximated(path, type === 'image' ? 'image.url' : 'file.url', 'the provider is given the address to fetch'))
      const mimeType = source.mimeType ?? mimeTypeOfUrl(source.url)
      return [{ fileData: defined({ fileUri: source.url, mimeType }) }]
    }
    case 'id':
      if (source.wire === WIRE) return [{ fileData: { fileUri: source.id } }]
      losses.push(unsupported(path, 'file.id', 'the id means a file only to its own provider'))
      return []
    case 'text':
      losses.push(approximated(path, 'document.text', 'a document of text is said as text'))
      return [{ text: source.title === undefined ? source.text : `${source.title}\n\n${source.text}` }]
  }
}

/** @see https://ai.google.dev/gemini-api/docs/document-processing#document-types: any kind of text is read as such. */
function isText(type: MediaContent['type'], mimeType: string): boolean {
  return type === 'file' && mimeType.startsWith('text/')
}

/** How finely pictures are looked at is said once a request here: only when all pictures agree can it be said. */
export function resolutionOf(turns: readonly Turn[], losses: Loss[]): string | undefined {
  const images = turns.flatMap(({ parts }, turnAt) =>
    parts.flatMap((part, partAt) => (part.type === 'image' ? [{ part, path: `messages[${turnAt}].content[${partAt}]` }] : [])),
  )
  const asked = images.filter(({ part: { detail } }) => detail !== undefined && detail !== 'auto')
  const [first] = asked
  if (first === undefined) return undefined
  const { detail } = first.part
  const isCommon = asked.length === images.length && asked.every(({ part }) => part.detail === detail)
  if (!isCommon || (detail !== 'low' && detail !== 'high')) {
    for (const { path } of asked) losses.push(unsupported(path, 'image.detail', 'this wire cannot say it of one picture'))
    return undefined
  }
  losses.push(approximated(first.path, 'image.detail', 'said as the resolution of all media'))
  return detail === 'low' ? 'MEDIA_RESOLUTION_LOW' : 'MEDIA_RESOLUTION_HIGH'
}
