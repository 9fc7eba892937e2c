/** Messages: Anthropic's wire format and that of every compatible server. */
import { membersOf } from '../../lib/json-splice.ts'
import { readExtensions } from '../extensions.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { CallerRequest, Protocol, WireRequest } from '../protocol.ts'
import { pathOf, presetMembers } from './caller-fields.ts'
import { decodeError, encodeError } from './error.ts'
import { createUsageFilter, forward } from './forward.ts'
import { limitOutput } from './limit-output.ts'
import { messagesNeeds } from './needs.ts'
import { encodeRequest } from './request-encode.ts'
import { decodeRequest } from './request.ts'
import { decodeResult, encodeResult } from './result.ts'
import { readMessagesRequest } from './rules.ts'
import { encodeStream } from './stream-encode.ts'
import { decodeStream } from './stream.ts'
import { createTap } from './tap.ts'

/** @see https://docs.anthropic.com/en/api/messages */
export const messages = {
  id: 'messages',
  aliases: ['anthropic'],
  caller: {
    paths: ['/v1/messages'],
    read: readRequest,
    decodeRequest,
    pathOf,
    presetMembers,
    encodeResult,
    encodeStream,
    encodeError,
    endLine: /^event: ?message_stop/m,
  },
  upstream: {
    encodeRequest,
    forward,
    limitOutput,
    createUsageFilter,
    authorize,
    decodeResult,
    decodeStream,
    decodeError,
    createTap,
  },
} as const satisfies Protocol

function readRequest(wire: WireRequest): CallerRequest {
  membersOf(wire.body)
  const extensions = readExtensions(wire.json, wire.headers, wire.query)
  const json = readMessagesRequest(wire)
  const model = json.model ?? extensions.models?.[0]
  if (model === undefined) throw invalidRequest('model', 'is missing')
  return { model, needs: messagesNeeds(json, wire.body.byteLength), extensions }
}

/** Tokens of a subscription are bearers, keys are not. @see https://docs.anthropic.com/en/api/overview#authentication */
function authorize(apiKey: string): Readonly<Record<string, string>> {
  return apiKey.startsWith('sk-ant-oat') ? { authorization: `Bearer ${apiKey}` } : { 'x-api-key': apiKey }
}
