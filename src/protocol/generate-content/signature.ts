/** Thought signatures: Google's own as they are, everybody else's sealed in the one slot that callers send back. */
import type { SignatureCarrier } from '../../completion/part.ts'
import { isEnvelope, unwrapCarrier, wrapCarrier } from '../carrier.ts'

const WIRE = 'generate_content'

/** Between envelopes: no base64url has it. */
const SEPARATOR = ' '

/** Envelopes in one slot beyond this are nobody's answer. */
const MAX_ENVELOPES = 64

/** Makes the carrier of a signature that Google's model gave. */
export function ownCarrier(value: string): SignatureCarrier {
  return { wire: WIRE, kind: 'thought_signature', value }
}

/**
 * Reads a `thoughtSignature` that a caller sent back. A damaged envelope of ours gives nothing: sent on, it would be taken
 * for a signature.
 */
export function decodeSignature(value: string | null | undefined): readonly SignatureCarrier[] {
  if (value === undefined || value === null || value === '' || value === UNSIGNED_CALL) return []
  const bare = unwrapCarrier(value)
  if (bare !== undefined) return [bare]
  const text = isEnvelope(value) ? Buffer.from(value, 'base64').toString('latin1') : ''
  if (!isEnvelope(text)) return [ownCarrier(value)]
  const envelopes = text.split(SEPARATOR).slice(0, MAX_ENVELOPES)
  return envelopes.flatMap((envelope) => unwrapCarrier(envelope) ?? [])
}

/**
 * Writes carriers into one `thoughtSignature`, which must be base64. Google's own signature goes bare when it is alone, so
 * that a caller who changes providers can show it to Google.
 *
 * @returns `undefined` for no carriers.
 */
export function encodeSignature(carriers: readonly SignatureCarrier[]): string | undefined {
  const [first, ...rest] = carriers
  if (first === undefined) return undefined
  if (rest.length === 0 && isBare(first)) return first.value
  const envelopes = carriers.map((carrier) => wrapCarrier(carrier)).join(SEPARATOR)
  return Buffer.from(envelopes).toString('base64')
}

function isBare({ wire, kind, provider, value }: SignatureCarrier): boolean {
  return wire === WIRE && kind === 'thought_signature' && provider === undefined && !isEnvelope(value)
}

/**
 * Google's documented value for a call whose signature nobody has: its models of the third generation refuse one without.
 *
 * @see https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
 */
export const UNSIGNED_CALL = 'skip_thought_signature_validator'
