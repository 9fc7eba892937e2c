/** The native lane's request: the caller's own bytes, with the model set, and our fields and envelopes taken out. */
import { spliceJson } from '../../lib/json-splice.ts'
import { isRecord } from '../../lib/json.ts'
import { isEnvelope } from '../carrier.ts'
import { extensionFields } from '../extensions.ts'
import type { ByteFilter, ForwardedCall, UpstreamTarget, WireRequest } from '../protocol.ts'
import { openEnvelopes, type SealedBlock } from './thinking.ts'
import { vendorHeaders } from './version.ts'

export const MESSAGES_PATH = '/messages'
export const COUNT_PATH = '/messages/count_tokens'

/** Usage comes with every answer on this wire, asked for or not. */
export function forward(wire: WireRequest, target: UpstreamTarget): ForwardedCall {
  return forwardTo(MESSAGES_PATH, wire, target)
}

/** Forwards a request for a count of its tokens. @see https://docs.anthropic.com/en/api/messages-count-tokens */
export function forwardCount(wire: WireRequest, target: UpstreamTarget): ForwardedCall {
  return forwardTo(COUNT_PATH, wire, target)
}

function forwardTo(path: string, wire: WireRequest, target: UpstreamTarget): ForwardedCall {
  const set = new Map<string, unknown>([['model', target.model]])
  const messages = withoutEnvelopes(wire.json['messages'])
  if (messages !== undefined) set.set('messages', messages)
  return {
    // Of the query only what is the vendor's: the rest is ours.
    path: wire.query.get('beta') === 'true' ? `${path}?beta=true` : path,
    body: spliceJson(wire.body, { set, remove: extensionFields }),
    headers: {
      'content-type': 'application/json',
      accept: wire.json['stream'] === true ? 'text/event-stream' : 'application/json',
      ...vendorHeaders(wire.headers),
    },
    hideUsageChunk: false,
  }
}

/**
 * A thought of another model has come back in our envelope, which the vendor could not read.
 *
 * @returns `undefined` when there is none: the bytes stay as they came.
 */
function withoutEnvelopes(messages: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(messages)) return undefined
  let isChanged = false
  const opened = (messages as readonly unknown[]).flatMap((message) => {
    const content = isRecord(message) ? message['content'] : undefined
    const blocks = Array.isArray(content) ? openEnvelopes(content, sealedBlock) : undefined
    if (blocks === undefined || !isRecord(message)) return [message]
    isChanged = true
    // A message without content is refused.
    return blocks.length === 0 ? [] : [{ ...message, content: blocks }]
  })
  return isChanged ? opened : undefined
}

function sealedBlock(block: unknown): SealedBlock | undefined {
  if (!isRecord(block)) return undefined
  const slot = block['type'] === 'thinking' ? 'signature' : block['type'] === 'redacted_thinking' ? 'data' : undefined
  const value = slot === undefined ? undefined : block[slot]
  return slot !== undefined && typeof value === 'string' && isEnvelope(value) ? { block, slot, value } : undefined
}

const EMPTY = new Uint8Array(0)

/** Nothing is ever hidden on this wire. */
export function createUsageFilter(): ByteFilter {
  return { push: (chunk) => chunk, end: () => EMPTY }
}
