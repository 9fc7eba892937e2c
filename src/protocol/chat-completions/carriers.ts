/** Signatures and sealed thoughts: this wire's own as they are, those of other wires in envelopes in the same slots. */
import type { SignatureCarrier } from '../../completion/part.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { isEnvelope, unwrapCarrier, wrapCarrier } from '../carrier.ts'

type Json = Readonly<Record<string, unknown>>

const WIRE = 'chat_completions'

/**
 * Writes a thought's carriers as `reasoning_details`, which clients of reasoning models send back as they got them.
 *
 * @see https://openrouter.ai/docs/use-cases/reasoning-tokens
 */
export function encodeDetails(carriers: readonly SignatureCarrier[]): readonly unknown[] {
  return carriers.flatMap((carrier) => {
    if (!isNative(carrier)) return [{ type: 'reasoning.encrypted', data: wrapCarrier(carrier), format: 'routeplane-v1' }]
    return carrier.kind === 'reasoning_details' ? readList(carrier.value) : []
  })
}

/** Gives the details of a carrier back as their issuer wrote them. */
export function readList(value: string): readonly unknown[] {
  const list = tryParseJson(value)
  return Array.isArray(list) ? (list as readonly unknown[]) : []
}

/** Reads `reasoning_details` of a request: envelopes are opened, and a damaged one is nothing. */
export function decodeDetails(details: readonly unknown[]): readonly SignatureCarrier[] {
  const own = details.filter((detail) => sealOf(detail) === undefined)
  const foreign = details.flatMap((detail) => {
    const sealed = sealOf(detail)
    const carrier = sealed === undefined ? undefined : unwrapCarrier(sealed)
    return carrier === undefined ? [] : [carrier]
  })
  return own.length === 0 ? foreign : [{ wire: WIRE, kind: 'reasoning_details', value: JSON.stringify(own) }, ...foreign]
}

function sealOf(detail: unknown): string | undefined {
  const sealed = isRecord(detail) ? detail['data'] : undefined
  return typeof sealed === 'string' && isEnvelope(sealed) ? sealed : undefined
}

/** Writes a call's signature into Google's slot on this wire, which holds base64. */
export function encodeSignature(carriers: readonly SignatureCarrier[]): Json {
  const signature = carriers.find(({ kind }) => kind === 'thought_signature')
  if (signature === undefined) return {}
  const value = isNative(signature) ? signature.value : wrapCarrier(signature, 'base64')
  return { extra_content: { google: { thought_signature: value } } }
}

/** Reads a call's signature. */
export function decodeSignature(call: Json): readonly SignatureCarrier[] {
  const value = signatureOf(call)
  if (value === undefined) return []
  if (!isEnvelope(value)) return [{ wire: WIRE, kind: 'thought_signature', value }]
  const carrier = unwrapCarrier(value)
  return carrier === undefined ? [] : [carrier]
}

function signatureOf(call: Json): string | undefined {
  const extra = call['extra_content']
  const google = isRecord(extra) ? extra['google'] : undefined
  const value = isRecord(google) ? google['thought_signature'] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Tells whether a carrier is this wire's own and has not been anywhere else. */
function isNative({ wire, provider }: SignatureCarrier): boolean {
  return wire === WIRE && provider === undefined
}

/**
 * Takes envelopes out of the messages of a request that goes on as it came: an upstream of this wire cannot read them.
 * One that holds a value of this wire is opened.
 *
 * @returns `undefined` when there is none: the bytes stay as they came.
 */
export function withoutEnvelopes(messages: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(messages) || !messages.some(isSealed)) return undefined
  return (messages as readonly unknown[]).map((message) => (isRecord(message) && isSealed(message) ? opened(message) : message))
}

function isSealed(message: unknown): boolean {
  if (!isRecord(message) || message['role'] !== 'assistant') return false
  const { reasoning_details: details, tool_calls: calls } = message
  if (Array.isArray(details) && details.some((detail) => sealOf(detail) !== undefined)) return true
  return Array.isArray(calls) && calls.some((call) => isRecord(call) && isEnvelope(signatureOf(call) ?? ''))
}

function opened({ reasoning_details: details, tool_calls: calls, ...message }: Json): Json {
  const kept = Array.isArray(details) ? decodeDetails(details).flatMap(ownDetails) : details
  return {
    ...message,
    ...(kept === undefined || (Array.isArray(kept) && kept.length === 0) ? {} : { reasoning_details: kept }),
    ...(Array.isArray(calls) ? { tool_calls: (calls as readonly unknown[]).map(openedCall) } : {}),
  }
}

function ownDetails({ wire, kind, value }: SignatureCarrier): readonly unknown[] {
  return wire === WIRE && kind === 'reasoning_details' ? readList(value) : []
}

function openedCall(call: unknown): unknown {
  if (!isRecord(call) || !isEnvelope(signatureOf(call) ?? '')) return call
  const { extra_content: extra, ...rest } = call
  const { google: _, ...others } = isRecord(extra) ? extra : {}
  const [own] = decodeSignature(call).filter(({ wire }) => wire === WIRE)
  const content = { ...others, ...(own === undefined ? {} : { google: { thought_signature: own.value } }) }
  return Object.keys(content).length === 0 ? rest : { ...rest, extra_content: content }
}
