/** Encodes system blocks and turns as the contents of generateContent. */
import type { SignatureCarrier } from '../../completion/part.ts'
import type { CompletionRequest, Content, SystemBlock, ToolCallContent, Turn } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { replayReasoning } from '../carrier.ts'
import { approximated, omitted, unsupported, type Loss } from '../loss.ts'
import type { RenameTable } from '../rename-table.ts'
import { FREEFORM_MEMBER } from '../restore.ts'
import { wireToolId } from '../tool-ids.ts'
import type { ModelTraits } from './generation.ts'
import { encodeMedia, resolutionOf } from './media-encode.ts'
import { encodeToolResult } from './result-part-encode.ts'
import { UNSIGNED_CALL } from './signature.ts'

type Json = Readonly<Record<string, unknown>>
export type WireTurn = { readonly role: 'user' | 'model'; readonly parts: readonly Json[] }

export type ContentsWork = {
  /** Who will answer, for signatures that must go back to their issuer. */
  readonly issuer: { readonly provider?: string; readonly modelFamily?: string }
  readonly names: RenameTable
  readonly traits: ModelTraits
  readonly losses: Loss[]
  /** An instruction of the encoder's own. */
  readonly extra?: string | undefined
}

export type EncodedContents = {
  readonly contents: readonly WireTurn[]
  readonly systemInstruction?: Json
  readonly mediaResolution?: string
}

const WIRE = 'generate_content'

/** Turns of one side that follow each other become one, with results before anything else, as the API wants them. */
export function encodeContents(request: CompletionRequest, work: ContentsWork): EncodedContents {
  const { losses, issuer } = work
  const replayed = replayReasoning(request.turns, { wire: WIRE, ...issuer })
  losses.push(...replayed.losses)
  const called = calledNames(request.turns)
  const turns = replayed.turns.flatMap((turn, index) => encodeTurn(turn, `messages[${index}]`, called, work))
  const contents = signCalls(mergeTurns(turns), work)
  const system = [
    ...request.system.flatMap((block, index) => encodeSystem(block, index, losses)),
    ...(work.extra === undefined ? [] : [{ text: work.extra }]),
  ]
  const resolution = resolutionOf(request.turns, losses)
  // Nothing but instructions is nothing to answer here: they are then what the user says.
  if (contents.length === 0 && system.length > 0) {
    losses.push(approximated('messages', 'message.role', 'instructions alone are said by the user'))
    return { contents: [{ role: 'user', parts: system }] }
  }
  return defined({ contents, systemInstruction: system.length === 0 ? undefined : { parts: system }, mediaResolution: resolution })
}

function encodeSystem({ text, role, cache }: SystemBlock, index: number, losses: Loss[]): readonly Json[] {
  const path = `system[${index}]`
  if (cache !== undefined) losses.push(unsupported(path, 'cache_control', 'this wire caches by itself'))
  if (role === 'developer') losses.push(approximated(path, 'system.rank', 'a developer speaks as the system'))
  return text === '' ? [] : [{ text }]
}

function calledNames(turns: readonly Turn[]): ReadonlyMap<string, string> {
  return new Map(turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' ? [[part.id, part.name] as const] : []))))
}

function encodeTurn(turn: Turn, path: string, called: ReadonlyMap<string, string>, work: ContentsWork): readonly WireTurn[] {
  const { losses } = work
  if (turn.name !== undefined) losses.push(unsupported(path, 'message.name', 'speakers have no names on this wire'))
  if (turn.role === 'system' || turn.role === 'developer') {
    losses.push(approximated(path, 'system.position', 'said by the user, marked as from the system'))
    const text = turn.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n')
    return text === '' ? [] : [{ role: 'user', parts: [{ text: `<system>\n${text}\n</system>` }] }]
  }
  const parts = turn.parts.flatMap((part, index) => encodePart(part, `${path}.content[${index}]`, called, work))
  if (parts.length === 0) {
    losses.push(omitted(path, 'text.empty', 'a turn without content is left out'))
    return []
  }
  return [{ role: turn.role === 'assistant' ? 'model' : 'user', parts }]
}

function encodePart(part: Content, path: string, called: ReadonlyMap<string, string>, work: ContentsWork): readonly Json[] {
  const { losses } = work
  if (isMarked(part)) losses.push(unsupported(path, 'cache_control', 'this wire caches by itself'))
  switch (part.type) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return encodeSaid(part, path, losses)
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
      return encodeMedia(part, path, losses)
    case 'tool-call':
      return [encodeCall(part, path, work)]
    case 'tool-result':
      return encodeToolResult(part, path, { ...work, name: part.name ?? called.get(part.callId) })
    case 'foreign':
      if (part.wire === WIRE && isRecord(part.raw)) return [part.raw]
      losses.push(unsupported(path, 'content.foreign', 'only its own wire has this kind of content'))
      return []
  }
}

function isMarked(part: Content): boolean {
  return 'cache' in part && part.cache !== undefined
}

function encodeSaid(part: Extract<Content, { type: 'text' | 'refusal' | 'reasoning' }>, path: string, losses: Loss[]): readonly Json[] {
  const signature = part.type === 'refusal' ? undefined : ownSignature(part)
  if (part.type === 'reasoning') {
    if (part.text.length > 0 && signature !== undefined) return [{ text: part.text.join('\n\n'), thought: true, ...signed(signature) }]
    losses.push(unsupported(path, 'reasoning.replay', 'thoughts without a signature are not sent back'))
    return []
  }
  if (part.type === 'refusal') losses.push({ path, feature: 'refusal', action: 'approximated', how: 'a refusal is said as text' })
  if (part.text !== '' || signature !== undefined) return [{ text: part.text, ...signed(signature) }]
  losses.push(omitted(path, 'text.empty', 'an empty text is left out'))
  return []
}

function ownSignature(part: { readonly carriers?: readonly SignatureCarrier[] }): string | undefined {
  return part.carriers?.find(({ wire, kind }) => wire === WIRE && kind === 'thought_signature')?.value
}

function signed(signature: string | undefined): Json {
  return signature === undefined ? {} : { thoughtSignature: signature }
}

function encodeCall(call: ToolCallContent, path: string, { names, losses }: ContentsWork): Json {
  const { arguments: given } = call
  if (given.kind !== 'json' || !isRecord(given.value)) {
    if (given.kind !== 'text')
      losses.push({
        path,
        feature: 'tool_call.arguments',
        action: 'approximated',
        how: `arguments that are no object are given as ${FREEFORM_MEMBER}`,
      })
  }
  const args =
    given.kind === 'json' && isRecord(given.value) ? given.value : { [FREEFORM_MEMBER]: given.kind === 'json' ? given.value : given.text }
  return { functionCall: { id: wireToolId(call.id, 'google'), name: names.toWire(call.name), args }, ...signed(ownSignature(call)) }
}

function mergeTurns(turns: readonly WireTurn[]): readonly WireTurn[] {
  const merged: { readonly role: 'user' | 'model'; readonly parts: Json[] }[] = []
  for (const { role, parts } of turns) {
    const last = merged.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else merged.push({ role, parts: [...parts] })
  }
  return merged.map(({ role, parts }) => ({ role, parts: role === 'user' ? resultsFirst(parts) : parts }))
}

function resultsFirst(parts: readonly Json[]): readonly Json[] {
  const isResult = (part: Json): boolean => 'functionResponse' in part
  return parts.some(isResult) ? [...parts.filter(isResult), ...parts.filter((part) => !isResult(part))] : parts
}

/**
 * Newer models refuse a step whose first call has no signature; only the model itself can make one, and another model's
 * calls never had any.
 */
function signCalls(contents: readonly WireTurn[], { traits, losses }: ContentsWork): readonly WireTurn[] {
  if (!traits.needsSignatures) return contents
  return contents.map((content, index) => {
    const first = content.parts.findIndex((part) => 'functionCall' in part)
    const call = content.parts[first]
    if (call === undefined || 'thoughtSignature' in call) return content
    losses.push(approximated(`contents[${index}]`, 'reasoning.signature', 'a call whose signature is missing is marked as unsigned'))
    return { ...content, parts: content.parts.with(first, { ...call, thoughtSignature: UNSIGNED_CALL }) }
  })
}
