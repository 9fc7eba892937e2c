/** States a lower output limit in a request of this wire. */
import { openAiTraits } from '../openai-models.ts'
import { isSaid } from '../preset-fields.ts'
import type { UpstreamTarget, WireRequest } from '../protocol.ts'

/** Keeps to the fields the caller used; who set none gets the one that the model takes. */
export function limitOutput(json: WireRequest['json'], limit: number, { model }: UpstreamTarget): ReadonlyMap<string, unknown> {
  const said = ['max_completion_tokens', 'max_tokens'].filter((field) => isSaid(json, field))
  const { own, reasons } = openAiTraits(model)
  const fields = said.length > 0 ? said : [own && reasons ? 'max_completion_tokens' : 'max_tokens']
  return new Map(fields.map((field) => [field, limit]))
}
