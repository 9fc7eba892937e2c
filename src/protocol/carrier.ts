/** Seals signatures and encrypted thoughts so that they survive a round through a caller of another protocol. */
import { crc32 } from 'node:zlib'
import type { SignatureCarrier } from '../completion/part.ts'
import type { Content, Turn, WireId } from '../completion/request.ts'
import { tryParseJson } from '../lib/json.ts'
import { unsupported, type Loss } from './loss.ts'

const PREFIX = 'rp1.'

/** What `rp1.` looks like at the head of base64: six of the last byte's eight bits belong to what follows it. */
const BASE64_PREFIX = 'cnAxL'

/** Far above any real thought, low enough that a hostile one costs little to read. */
const MAX_ENVELOPE_CHARACTERS = 8_000_000

const CHECKSUM_BYTES = 4

const wires: readonly WireId[] = ['chat_completions', 'responses', 'messages', 'generate_content']
const kinds: readonly SignatureCarrier['kind'][] = ['signature', 'redacted', 'encrypted_content', 'thought_signature', 'reasoning_details']

/** `base64` is for slots that must hold valid base64, such as Google's `thoughtSignature`. */
export type EnvelopeForm = 'text' | 'base64'

/**
 * Writes a carrier as one opaque text: `rp1.` and the base64url of its fields and their CRC-32.
 *
 * The envelope is neither secret nor signed: it only ever hands a value back to the provider that issued it.
 */
export function wrapCarrier(carrier: SignatureCarrier, form: EnvelopeForm = 'text'): string {
  const { wire, provider, modelFamily, kind, value, itemId } = carrier
  const fields = Buffer.from(JSON.stringify([wire, provider ?? null, modelFamily ?? null, kind, value, itemId ?? null]))
  const checksum = Buffer.alloc(CHECKSUM_BYTES)
  checksum.writeUInt32BE(crc32(fields))
  const envelope = `${PREFIX}${Buffer.concat([fields, checksum]).toString('base64url')}`
  return form === 'text' ? envelope : Buffer.from(envelope).toString('base64')
}

/**
 * Reads an envelope in either form.
 *
 * @returns `undefined` when it is none, or is damaged. {@link isEnvelope} tells these apart: a damaged one must be left
 *   out, never sent on as if it were a provider's own.
 */
export function unwrapCarrier(text: string): SignatureCarrier | undefined {
  const envelope = text.startsWith(BASE64_PREFIX) ? Buffer.from(text, 'base64').toString('latin1') : text
  if (!envelope.startsWith(PREFIX) || envelope.length > MAX_ENVELOPE_CHARACTERS) return undefined
  const body = envelope.slice(PREFIX.length)
  const bytes = Buffer.from(body, 'base64url')
  if (bytes.length <= CHECKSUM_BYTES || bytes.toString('base64url') !== body) return undefined
  const fields = bytes.subarray(0, -CHECKSUM_BYTES)
  if (crc32(fields) !== bytes.readUInt32BE(fields.length)) return undefined
  return readFields(tryParseJson(fields.toString('utf8')))
}

/** Tells whether a text is an envelope of ours, damaged or not. */
export function isEnvelope(text: string): boolean {
  return text.startsWith(PREFIX) || text.startsWith(BASE64_PREFIX)
}

function readFields(fields: unknown): SignatureCarrier | undefined {
  if (!Array.isArray(fields) || fields.length !== 6) return undefined
  const [wireText, provider, modelFamily, kindText, value, itemId] = fields as readonly unknown[]
  const wire = wires.find((each) => each === wireText)
  const kind = kinds.find((each) => each === kindText)
  if (wire === undefined || kind === undefined || typeof value !== 'string') return undefined
  if (![provider, modelFamily, itemId].every((field) => field === null || typeof field === 'string')) return undefined
  return {
    wire,
    ...(typeof provider === 'string' ? { provider } : {}),
    ...(typeof modelFamily === 'string' ? { modelFamily } : {}),
    kind,
    value,
    ...(typeof itemId === 'string' ? { itemId } : {}),
  }
}

/** Who would get a carrier back. */
export type ReplayTarget = { readonly wire: WireId; readonly provider?: string; readonly modelFamily?: string }

/**
 * Tells whether a carrier may go to an upstream: only to its own wire, and to the provider and family it names. One that
 * names none came from the caller as it is and needs the wire alone. A target that is not known is never a match.
 */
export function mayReplay(carrier: SignatureCarrier, target: ReplayTarget): boolean {
  if (carrier.wire !== target.wire) return false
  if (carrier.provider !== undefined && carrier.provider !== target.provider) return false
  return carrier.modelFamily === undefined || carrier.modelFamily === target.modelFamily
}

/**
 * Prepares the reasoning of a history for an upstream: all of it stays, or all of it goes.
 *
 * A signature binds everything before it, so taking out one foreign thought from the middle would make the later ones
 * invalid. Only `reasoning` parts and carriers are taken; text, calls and results stay. A turn left without parts keeps
 * its place, because a system turn may stand only before an assistant's.
 */
export function replayReasoning(
  turns: readonly Turn[],
  target: ReplayTarget,
): { readonly turns: readonly Turn[]; readonly losses: readonly Loss[] } {
  const isReplayable = turns.every(({ parts }) => parts.every((part) => carriersOf(part).every((carrier) => mayReplay(carrier, target))))
  if (isReplayable) return { turns, losses: [] }
  const losses: Loss[] = []
  const stripped = turns.map((turn, turnAt) => ({
    ...turn,
    parts: turn.parts.flatMap((part, partAt) => {
      const path = `messages[${turnAt}].content[${partAt}]`
      if (part.type === 'reasoning') {
        losses.push(unsupported(path, 'reasoning.replay', 'reasoning that another provider signed is left out, with all other reasoning'))
        return []
      }
      if (carriersOf(part).length === 0) return [part]
      losses.push(unsupported(path, 'reasoning.signature', 'a signature that another provider made is left out'))
      return [withoutCarriers(part)]
    }),
  }))
  return { turns: stripped, losses }
}

function carriersOf(part: Content): readonly SignatureCarrier[] {
  return 'carriers' in part && part.carriers !== undefined ? part.carriers : []
}

function withoutCarriers(part: Content): Content {
  if (part.type !== 'text' && part.type !== 'tool-call') return part
  const { carriers: _, ...rest } = part
  return rest
}
