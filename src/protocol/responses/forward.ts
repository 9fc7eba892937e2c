/** The native lane's request: the caller's own bytes, with the model set, and our fields and envelopes taken out. */
import { isRecord } from '../../lib/json.ts'
import { spliceJson } from '../../lib/json-splice.ts'
import { isEnvelope, unwrapCarrier } from '../carrier.ts'
import { extensionFields } from '../extensions.ts'
import { COMPACT_PATH, isCompaction } from './compact.ts'
import type { ForwardedCall, UpstreamTarget, WireRequest } from '../protocol.ts'

export const RESPONSES_PATH = '/responses'

/** Usage comes with every answer on this wire, asked for or not. */
export function forward(wire: WireRequest, target: UpstreamTarget): ForwardedCall {
  const set = new Map<string, unknown>([['model', target.model]])
  const input = withoutEnvelopes(wire.json['input'])
  if (input !== undefined) set.set('input', input)
  return {
    path: isCompaction(wire) ? COMPACT_PATH : RESPONSES_PATH,
    body: spliceJson(wire.body, { set, remove: extensionFields }),
    headers: { 'content-type': 'application/json', accept: wire.json['stream'] === true ? 'text/event-stream' : 'application/json' },
    hideUsageChunk: false,
  }
}

/**
 * Thoughts that another wire's model signed have come back in our envelopes, which no provider could read: they are left out. One
 * that was this wire's goes on as it was before it was sealed.
 *
 * @returns `undefined` when there is no envelope: the bytes stay as they came.
 */
function withoutEnvelopes(input: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(input) || !input.some(isSealed)) return undefined
  return (input as readonly unknown[]).flatMap((item) => {
    if (!isSealed(item)) return [item]
    const carrier = unwrapCarrier(String(item['encrypted_content']))
    if (carrier?.wire !== 'responses' || carrier.kind !== 'encrypted_content') return []
    return [{ ...item, id: carrier.itemId ?? item['id'], encrypted_content: carrier.value }]
  })
}

function isSealed(item: unknown): item is Record<string, unknown> {
  if (!isRecord(item) || item['type'] !== 'reasoning') return false
  const sealed = item['encrypted_content']
  return typeof sealed === 'string' && isEnvelope(sealed)
}
