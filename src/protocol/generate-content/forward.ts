/** The native lane's request: the caller's own bytes, with our fields out and sealed signatures opened. */
import { spliceJson } from '../../lib/json-splice.ts'
import { extensionFields } from '../extensions.ts'
import type { ForwardedCall, UpstreamTarget, WireRequest } from '../protocol.ts'
import { pathOf, readForm, readPath } from './path.ts'
import { decodeSignature, UNSIGNED_CALL } from './signature.ts'

/** What stands in the path must not be contradicted by the body. */
const removed = [...extensionFields, 'model']

/**
 * Forwards a request as it came. The model is in the path; the query stays behind, with the key that it may hold. Streams are
 * always asked for as events, which can be metered: a caller who wants an array gets one made of them.
 *
 * @throws RouteplaneError `duplicate_key`.
 */
export function forward(wire: WireRequest, target: UpstreamTarget): ForwardedCall {
  const { method } = readPath(wire.path)
  const stream = method === 'streamGenerateContent'
  return {
    path: pathOf(target.model, stream),
    body: openSignatures(spliceJson(wire.body, { remove: removed })),
    headers: { 'content-type': 'application/json', accept: stream ? 'text/event-stream' : 'application/json' },
    hideUsageChunk: stream && readForm(wire, method) === 'array',
  }
}

/** How every envelope begins; found in no other base64 but by chance, and then left as it is. */
const ENVELOPE = 'cnAxL'

/** A member, not text that looks like one: inside a string its quotes would be escaped. */
const SEALED = /(?<!\\)("thought_?[sS]ignature"\s*:\s*")(cnAxL[A-Za-z0-9+/=_-]*)(?=")/g

/**
 * Gives back what we sealed while another provider answered: Google's own signatures bare, and in place of foreign ones the
 * value that Google has for calls without.
 */
function openSignatures(body: Uint8Array): Uint8Array {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (!bytes.includes(ENVELOPE)) return body
  const opened = bytes.toString('latin1').replace(SEALED, (whole: string, member: string, sealed: string) => {
    const carriers = decodeSignature(sealed)
    const isOurs = carriers.length !== 1 || carriers[0]?.value !== sealed
    if (!isOurs) return whole
    const own = carriers.find(({ wire, kind }) => wire === 'generate_content' && kind === 'thought_signature')
    return `${member}${own === undefined || !/^[\w+/=-]+$/.test(own.value) ? UNSIGNED_CALL : own.value}`
  })
  return Buffer.from(opened, 'latin1')
}
