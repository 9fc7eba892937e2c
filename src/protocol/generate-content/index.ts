/** generateContent: the wire format of Google's Gemini API. */
import { membersOf } from '../../lib/json-splice.ts'
import { readExtensions } from '../extensions.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { CallerRequest, Protocol, WireRequest } from '../protocol.ts'
import { createArrayFilter } from './array-filter.ts'
import { pathOf, presetMembers } from './caller-fields.ts'
import { decodeError, encodeError } from './error.ts'
import { forward } from './forward.ts'
import { limitOutput } from './limit-output.ts'
import { generateNeeds } from './needs.ts'
import { readForm, readPath } from './path.ts'
import { encodeRequest } from './request-encode.ts'
import { decodeRequest } from './request.ts'
import { decodeResult, encodeResult } from './result.ts'
import { normalise, readGenerateRequest } from './schema.ts'
import { encodeStream } from './stream-encode.ts'
import { decodeStream } from './stream.ts'
import { createTap } from './tap.ts'

/** @see https://ai.google.dev/api/generate-content */
export const generateContent = {
  id: 'generate_content',
  aliases: ['google', 'gemini'],
  caller: {
    // Under `v1` other wires have routes of their own: only what ends in a method is ours there.
    paths: [
      '/v1beta/:call{.+:[^/:]*}',
      '/v1alpha/:call{.+:[^/:]*}',
      '/:version{v1}/:call{.+:(?:generateContent|streamGenerateContent|embedContent|batchEmbedContents)}',
    ],
    read: readRequest,
    decodeRequest,
    pathOf,
    presetMembers,
    encodeResult,
    encodeStream,
    encodeError,
  },
  upstream: {
    encodeRequest,
    forward,
    limitOutput,
    createUsageFilter: createArrayFilter,
    authorize: (apiKey) => ({ 'x-goog-api-key': apiKey }),
    decodeResult,
    decodeStream,
    decodeError,
    createTap,
  },
} as const satisfies Protocol

function readRequest(wire: WireRequest): CallerRequest {
  const { model, method } = readPath(wire.path)
  if (method === 'countTokens') throw invalidRequest('', 'counts tokens, which is no completion', 'not_found')
  readForm(wire, method)
  membersOf(wire.body)
  const extensions = readExtensions(wire.json, wire.headers, wire.query)
  const json = readGenerateRequest(normalise(wire.json))
  return { model, needs: generateNeeds(json, wire.body.byteLength, method === 'streamGenerateContent'), extensions }
}
