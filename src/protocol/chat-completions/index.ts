/** Chat Completions: OpenAI's wire format and that of every compatible server. */
import { membersOf } from '../../lib/json-splice.ts'
import { readExtensions } from '../extensions.ts'
import { invalidRequest, readWire } from '../invalid-request.ts'
import type { CallerRequest, Protocol, WireRequest } from '../protocol.ts'
import { pathOf, presetMembers } from './caller-fields.ts'
import { decodeError, encodeError } from './error.ts'
import { forward } from './forward.ts'
import { limitOutput } from './limit-output.ts'
import { chatNeeds } from './needs.ts'
import { readPlainRequest } from './plain-request.ts'
import { encodeRequest } from './request-encode.ts'
import { decodeRequest } from './request.ts'
import { decodeResult, encodeResult } from './result.ts'
import { chatRequestSchema } from './schema.ts'
import { encodeStream } from './stream-encode.ts'
import { decodeStream } from './stream.ts'
import { createTap } from './tap.ts'
import { createUsageFilter } from './usage-filter.ts'

/** @see https://platform.openai.com/docs/api-reference/chat */
export const chatCompletions = {
  id: 'chat_completions',
  aliases: ['openai', 'chat'],
  caller: {
    paths: ['/v1/chat/completions', '/chat/completions'],
    read: readRequest,
    decodeRequest,
    pathOf,
    presetMembers,
    encodeResult,
    encodeStream,
    encodeError,
    endLine: /^data: ?\[DONE\]/m,
  },
  upstream: {
    encodeRequest,
    forward,
    limitOutput,
    createUsageFilter,
    authorize: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
    decodeResult,
    decodeStream,
    decodeError,
    createTap,
  },
} as const satisfies Protocol

function readRequest(wire: WireRequest): CallerRequest {
  membersOf(wire.body)
  const extensions = readExtensions(wire.json, wire.headers, wire.query)
  const json = readPlainRequest(wire.json) ?? readWire(chatRequestSchema, wire.json)
  const model = json.model ?? extensions.models?.[0]
  if (model === undefined) throw invalidRequest('model', 'is missing')
  return { model, needs: chatNeeds(json, wire.body.byteLength), extensions }
}
