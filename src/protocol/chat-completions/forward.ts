/** The native lane's request: the caller's own bytes, with the model set, our fields and envelopes out, and usage asked for. */
import { spliceJson } from '../../lib/json-splice.ts'
import { isRecord } from '../../lib/json.ts'
import { extensionFields } from '../extensions.ts'
import type { ForwardedCall, UpstreamTarget, WireRequest } from '../protocol.ts'
import { withoutEnvelopes } from './carriers.ts'
import { CHAT_PATH } from './request-encode.ts'

/**
 * Forwards a request as it came. A stream without usage could not be metered, so that it is always asked for; the flag says
 * whether its event must be hidden from a caller who did not.
 *
 * @throws RouteplaneError `duplicate_key`.
 */
export function forward(wire: WireRequest, target: UpstreamTarget): ForwardedCall {
  const given = wire.json['stream_options']
  const options = isRecord(given) ? given : {}
  const hideUsageChunk = wire.json['stream'] === true && options['include_usage'] !== true
  const set = new Map<string, unknown>([['model', target.model]])
  const messages = withoutEnvelopes(wire.json['messages'])
  if (messages !== undefined) set.set('messages', messages)
  if (hideUsageChunk) set.set('stream_options', { ...options, include_usage: true })
  return {
    path: CHAT_PATH,
    body: spliceJson(wire.body, { set, remove: extensionFields }),
    headers: { 'content-type': 'application/json', accept: wire.json['stream'] === true ? 'text/event-stream' : 'application/json' },
    hideUsageChunk,
  }
}
