/** Decodes the contents of a generateContent request into system blocks and turns. */
import type { SignatureCarrier } from '../../completion/part.ts'
import type {
  Content,
  MediaContent,
  SystemBlock,
  TextContent,
  ToolCallContent,
  ToolResultContent,
  Turn,
  UnknownField,
} from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import { createCallBook, type CallBook } from './call-book.ts'
import { decodeMedia, type ResultPart } from './media.ts'
import { foreignKinds, unspecified } from './modelled.ts'
import type { FunctionResponse, GenerateRequest, Part, WireContent } from './schema.ts'
import { decodeSignature } from './signature.ts'

const WIRE = 'generate_content'

/** What decoding gathers beside what it returns. */
type Work = { readonly unknown: UnknownField[]; readonly book: CallBook; readonly detail: MediaContent['detail'] }

/** @throws RouteplaneError `invalid_request` for instructions with anything but text. */
export function decodeSystem(given: GenerateRequest['systemInstruction']): readonly SystemBlock[] {
  if (given === undefined || given === null) return []
  const parts = typeof given === 'string' ? [{ text: given }] : given.parts
  return parts.flatMap((part, index): SystemBlock[] => {
    if (typeof part.text !== 'string') throw invalidRequest(`systemInstruction.parts[${index}]`, 'must be text')
    return part.text === '' ? [] : [{ text: part.text, role: 'system' }]
  })
}

/**
 * Decodes contents in order. A result finds its call by id, or else by name and order, because neither the API nor its
 * clients always have ids.
 *
 * The contents of one answer are one turn: clients keep every chunk of a stream as a content of its own.
 *
 * @param detail - What `generationConfig.mediaResolution` says of every picture.
 */
export function decodeContents(contents: readonly WireContent[], unknown: UnknownField[], detail: MediaContent['detail']): readonly Turn[] {
  const work: Work = { unknown, book: createCallBook(), detail }
  const turns: { readonly role: 'user' | 'assistant'; readonly parts: Content[] }[] = []
  for (const [index, content] of contents.entries()) {
    const role = content.role === 'model' ? 'assistant' : 'user'
    const last = turns.at(-1)
    const isNext = role === 'assistant' && last?.role === role
    const parts = isNext ? last.parts : []
    if (!isNext) turns.push({ role, parts })
    decodeContent(content, `contents[${index}]`, parts, work)
  }
  return turns.map(({ role, parts }) => {
    const isResults = role === 'user' && parts.length > 0 && parts.every(({ type }) => type === 'tool-result')
    return { role: isResults ? 'tool' : role, parts }
  })
}

function decodeContent(content: WireContent, path: string, parts: Content[], work: Work): void {
  const before = parts.length
  for (const [index, part] of content.parts.entries()) decodePart(part, `${path}.parts[${index}]`, parts, work)
  joinTexts(parts, before)
}

/** A text that one chunk began and the next goes on with is one. */
function joinTexts(parts: Content[], at: number): void {
  const [last, next] = [parts[at - 1], parts[at]]
  if (last?.type !== 'text' || next?.type !== 'text' || last.carriers !== undefined) return
  parts.splice(at - 1, 2, { ...next, text: `${last.text}${next.text}` })
}

function decodePart(part: Part, path: string, parts: Content[], work: Work): void {
  const { functionCall: call, functionResponse: response } = part
  const carriers = decodeSignature(part.thoughtSignature)
  const media = decodeMedia(part, path)
  const isForeign = foreignKinds.some((kind) => isRecord(part[kind]))
  if (media !== undefined) parts.push({ ...media, ...detailOf(part, media, path, work) })
  else if (isPresent(call)) {
    returnCarriers(parts, carriers.filter(belongsToThought))
    const own = carriers.filter((carrier) => !belongsToThought(carrier))
    parts.push(decodeCall(call, own, work))
  } else if (isPresent(response)) parts.push(decodeResponse(response, path, work))
  else if (isForeign) parts.push({ type: 'foreign', wire: WIRE, raw: part })
  else if (part.thought === true) addThought(parts, part.text ?? '', carriers)
  else addText(parts, part.text ?? '', carriers)
}

function isPresent<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null
}

/** A resolution of the part counts more than that of the request; those between low and high are nobody else's. */
function detailOf(part: Part, media: MediaContent, path: string, { detail, unknown }: Work): { readonly detail?: 'low' | 'high' } {
  const given = isRecord(part.mediaResolution) ? part.mediaResolution.level : part.mediaResolution
  const own = decodeResolution(given)
  if (media.type === 'image' && own !== undefined) return { detail: own }
  if (!unspecified.has(given ?? null)) unknown.push({ path: `${path}.mediaResolution`, value: given })
  if (media.type !== 'image') return {}
  return detail === 'low' || detail === 'high' ? { detail } : {}
}

/** @see https://ai.google.dev/api/generate-content#MediaResolution */
export function decodeResolution(level: string | null | undefined): 'low' | 'high' | undefined {
  if (level === 'MEDIA_RESOLUTION_LOW') return 'low'
  return level === 'MEDIA_RESOLUTION_HIGH' ? 'high' : undefined
}

/** Pieces of one thought, as streams give them, are one again. */
function addThought(parts: Content[], text: string, carriers: readonly SignatureCarrier[]): void {
  if (text === '' && carriers.length === 0) return
  const last = parts.at(-1)
  if (last?.type === 'reasoning' && last.carriers.length === 0) {
    parts[parts.length - 1] = { ...last, text: text === '' ? last.text : [`${last.text.join('')}${text}`], carriers }
  } else parts.push({ type: 'reasoning', form: 'summary', text: text === '' ? [] : [text], carriers })
}

function addText(parts: Content[], text: string, carriers: readonly SignatureCarrier[]): void {
  const own = carriers.filter(({ wire }) => wire === WIRE)
  const sealed = carriers.filter(({ wire }) => wire !== WIRE)
  const last = parts.at(-1)
  // The signature of a streamed text comes after it.
  if (text === '' && own.length > 0 && last?.type === 'text' && last.carriers === undefined)
    parts[parts.length - 1] = { ...last, carriers: own }
  else if (text !== '' || own.length > 0) {
    const written: TextContent = { type: 'text', text, ...(own.length === 0 ? {} : { carriers: own }) }
    parts.push(written)
  }
  returnCarriers(parts, sealed)
}

/** Kinds that another wire puts on a thought, and never on a call. */
function belongsToThought({ wire, kind }: SignatureCarrier): boolean {
  return wire !== WIRE && kind !== 'thought_signature'
}

/**
 * Gives signatures that rode on a call or text back to the thought they were made for: the unsigned one of this turn, or,
 * when the client has thrown it away, one without its text that stands before what was said.
 */
function returnCarriers(parts: Content[], carriers: readonly SignatureCarrier[]): void {
  if (carriers.length === 0) return
  const at = parts.findLastIndex((part) => part.type === 'reasoning')
  const thought = parts[at]
  if (thought?.type === 'reasoning' && thought.carriers.length === 0) parts[at] = { ...thought, carriers }
  else parts.splice(afterThoughts(parts), 0, { type: 'reasoning', form: 'omitted', text: [], carriers })
}

/** Where a thought of the current step stands: before the text that leads to the call. */
function afterThoughts(parts: readonly Content[]): number {
  return parts.findLastIndex(({ type }) => type !== 'text') + 1
}

type WireCall = NonNullable<Part['functionCall']>

function decodeCall(call: WireCall, own: readonly SignatureCarrier[], work: Work): ToolCallContent {
  const value = call.args ?? {}
  return {
    type: 'tool-call',
    id: work.book.called(call.name, call.id),
    name: call.name,
    arguments: { kind: 'json', text: JSON.stringify(value), value },
    ...(own.length === 0 ? {} : { carriers: own }),
  }
}

function decodeResponse(response: FunctionResponse, path: string, work: Work): ToolResultContent {
  const answered = work.book.answered(response.name ?? undefined, response.id)
  const media = (response.parts ?? []).flatMap((part, index): ResultPart[] => {
    const decoded = decodeMedia(part, `${path}.functionResponse.parts[${index}]`)
    return decoded === undefined ? [] : [decoded]
  })
  const { isError, content } = decodeOutput(response.response ?? {})
  const all = media.length === 0 ? content : [...asParts(content), ...media]
  const name = response.name ?? answered.name
  return { type: 'tool-result', callId: answered.id, ...(name === undefined ? {} : { name }), isError, content: all }
}

/** `output` and `error` are the API's own words; any other object is the result itself. @see https://ai.google.dev/api/caching#FunctionResponse */
function decodeOutput(response: Readonly<Record<string, unknown>>): Pick<ToolResultContent, 'isError' | 'content'> {
  const names = Object.keys(response)
  const [only = ''] = names
  if (names.length !== 1 || (only !== 'output' && only !== 'error')) return { isError: false, content: { kind: 'json', value: response } }
  const value = response[only]
  const isError = only === 'error'
  if (typeof value === 'string') return { isError, content: [{ type: 'text', text: value }] }
  // Unwrapped, an object would be sent back without its wrapper and mean the same; only an error's must keep it.
  return { isError, content: { kind: 'json', value } }
}

function asParts(content: ToolResultContent['content']): readonly ResultPart[] {
  return 'kind' in content ? [{ type: 'text', text: JSON.stringify(content.value) }] : content
}
