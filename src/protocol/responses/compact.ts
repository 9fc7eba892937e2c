/** Compaction: a conversation in, a shorter one out, which only the upstream that sealed it can read. */
import { RouteplaneError } from '../../errors.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'

/** @see https://platform.openai.com/docs/api-reference/responses/compact */
export const COMPACT_PATH = '/responses/compact'

export function isCompaction({ path }: Pick<WireRequest, 'path'>): boolean {
  return path.endsWith(COMPACT_PATH)
}

/** It is answered whole. @throws {@link RouteplaneError} `invalid_request` when a stream is asked for. */
export function checkCompaction(wire: WireRequest): void {
  if (wire.json['stream'] === true) throw invalidRequest('stream', 'is not taken: a compaction is answered whole')
}

/** What a provider of another wire could say of one: nothing. */
export function untranslatableCompaction(): RouteplaneError {
  return new RouteplaneError('unsupported_parameter', 'only a provider of the Responses wire can compact a conversation', {
    hint: 'Name a model of such a provider, send the whole conversation, or shorten it yourself.',
    details: { path: 'model' },
  })
}
