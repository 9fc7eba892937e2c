/** Responses: OpenAI's wire of items and typed events, and that of Open Responses servers. */
import { RouteplaneError } from '../../errors.ts'
import { membersOf } from '../../lib/json-splice.ts'
import { readExtensions } from '../extensions.ts'
import { invalidRequest, readWire } from '../invalid-request.ts'
import type { ByteFilter, CallerRequest, Protocol, WireRequest } from '../protocol.ts'
import { pathOf, presetMembers } from './caller-fields.ts'
import { checkCompaction, COMPACT_PATH, isCompaction } from './compact.ts'
import { decodeError, encodeError } from './error.ts'
import { forward } from './forward.ts'
import { limitOutput } from './limit-output.ts'
import { responsesNeeds } from './needs.ts'
import { encodeRequest } from './request-encode.ts'
import { decodeRequest } from './request.ts'
import { decodeResult, encodeResult } from './result.ts'
import { responsesRequestSchema } from './schema.ts'
import { encodeStream } from './stream-encode.ts'
import { decodeStream } from './stream.ts'
import { createTap } from './tap.ts'

/** @see https://platform.openai.com/docs/api-reference/responses */
export const responses = {
  id: 'responses',
  aliases: ['openai_responses', 'open_responses'],
  caller: {
    paths: ['/v1/responses', `/v1${COMPACT_PATH}`],
    read: readRequest,
    decodeRequest,
    pathOf,
    presetMembers,
    encodeResult,
    encodeStream,
    encodeError,
    endLine: /^event: ?response\.(?:completed|incomplete)/m,
  },
  upstream: {
    encodeRequest,
    forward,
    limitOutput,
    createUsageFilter,
    authorize: (apiKey: string) => ({ authorization: `Bearer ${apiKey}` }),
    decodeResult,
    decodeStream,
    decodeError,
    createTap,
  },
} as const satisfies Protocol

function readRequest(wire: WireRequest): CallerRequest {
  membersOf(wire.body)
  const extensions = readExtensions(wire.json, wire.headers, wire.query)
  const json = readWire(responsesRequestSchema, wire.json)
  if (isCompaction(wire)) checkCompaction(wire)
  if (json.background === true) throw inBackground()
  const model = json.model ?? extensions.models?.[0]
  if (model === undefined) throw invalidRequest('model', 'is missing')
  return { model, needs: responsesNeeds(json, wire.body.byteLength), extensions }
}

function inBackground(): RouteplaneError {
  return new RouteplaneError('unsupported_parameter', 'background is not taken: an answer is paid for and delivered in one exchange', {
    hint: 'Leave background out, and set stream to true for long answers.',
    details: { path: 'background' },
  })
}

/** Usage stands in the terminal event, which nobody can do without: there is nothing to take out. */
function createUsageFilter(): ByteFilter {
  return { push: (chunk) => chunk, end: () => new Uint8Array() }
}
