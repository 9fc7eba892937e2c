/** The URL form of this wire: model and method stand in the path, the form of a stream in the query. */
import { RouteplaneError } from '../../errors.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'

export const methods = ['generateContent', 'streamGenerateContent', 'countTokens'] as const
export type Method = (typeof methods)[number]

/** Longer than any model id; a bound so that no error or log carries a megabyte. */
const MAX_MODEL_CHARACTERS = 512

export type PathCall = { readonly model: string; readonly method: Method }

/**
 * Reads `/v1beta/models/{model}:{method}`, and the same without `models/`, which one SDK leaves out of ids with a slash, or with
 * two versions, where a base URL had one already. Ids hold slashes and colons of their own (`maker/name:cost`,
 * `acme:maker/name`), so that the method is what follows the last colon.
 *
 * @param path - With its escapes decoded.
 * @throws {@link RouteplaneError} `not_found` for another method; `invalid_request` for a model that is too long.
 * @see https://ai.google.dev/api/generate-content#method:-models.generatecontent
 */
export function readPath(path: string): PathCall {
  const [, model = '', word = ''] = /^\/[^/]+\/(?:v1[a-z]*\/(?=models\/))?(?:models\/)?(.+):([^:/]*)$/su.exec(path) ?? []
  const method = methods.find((known) => known === word)
  if (model === '' || model.endsWith('/') || method === undefined) {
    throw new RouteplaneError('not_found', `the path must end in a model and one of ${methods.map((known) => `:${known}`).join(', ')}`)
  }
  if (model.length > MAX_MODEL_CHARACTERS) throw invalidRequest('model', `must have at most ${MAX_MODEL_CHARACTERS} characters`)
  return { model, method }
}

/** How a streamed answer is written: as events, or as the elements of one JSON array. */
export type StreamForm = 'events' | 'array'

/**
 * Reads `alt`: events are only sent when they are asked for, and only a stream can be.
 *
 * @throws {@link RouteplaneError} `invalid_request` for another representation.
 * @see https://cloud.google.com/apis/docs/system-parameters, `$alt`
 */
export function readForm({ query }: Pick<WireRequest, 'query'>, method: Method): StreamForm {
  const alt = query.get('alt') ?? query.get('$alt') ?? 'json'
  if (alt === 'sse') {
    if (method === 'streamGenerateContent') return 'events'
    throw invalidRequest('alt', 'may be sse only for streamGenerateContent')
  }
  if (alt !== 'json') throw invalidRequest('alt', 'must be json or sse')
  return 'array'
}

/** Gives the path of a call below an endpoint's base URL; upstreams are always asked for events. */
export function pathOf(model: string, stream: boolean): string {
  const name = /^(?:models|tunedModels)\//.test(model) ? model : `models/${model}`
  const escaped = name.split('/').map(encodeURIComponent).join('/')
  return stream ? `/${escaped}:streamGenerateContent?alt=sse` : `/${escaped}:generateContent`
}
