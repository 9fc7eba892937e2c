/** Says what a translation cannot carry over: the table of features, and what their losses mean for a request. */
import { RouteplaneError } from '../errors.ts'

/**
 * One field or part of a request that the upstream's wire cannot take as it is. Every input is encoded, carried or
 * reported so: nothing is dropped silently.
 */
export type Loss = {
  /** Where it stands in the caller's request, written like `messages[0].content`. */
  readonly path: string
  /** A key of {@link lossTable}, or a name of the encoder's own. */
  readonly feature: string
  readonly action: LossAction
  /** What is done instead, as one clause for people. Never quotes the caller's content. */
  readonly how: string
}

/** `approximated`: said another way; `omitted`: left out; `refused`: the request cannot go to this upstream at all. */
export type LossAction = 'approximated' | 'omitted' | 'refused'

/** A `hint` may go missing without changing what the answer means; a `semantic` feature may not. */
export type LossClass = 'hint' | 'semantic'

/**
 * `unsupported` is what an encoder does when its wire has no place for the feature: a hint is left out, a semantic
 * feature is only let through when the translation matrix lists how.
 */
export type LossRule = { readonly class: LossClass; readonly unsupported: LossAction }

const hint = { class: 'hint', unsupported: 'omitted' } as const satisfies LossRule
const said = { class: 'semantic', unsupported: 'approximated' } as const satisfies LossRule
const left = { class: 'semantic', unsupported: 'omitted' } as const satisfies LossRule
const refused = { class: 'semantic', unsupported: 'refused' } as const satisfies LossRule

/** Every feature that some pair of wires cannot carry exactly. */
export const lossTable = {
  // Turns
  'text.empty': left,
  'system.position': said,
  'system.rank': hint,
  'message.name': hint,
  'message.role': said,
  'content.foreign': refused,
  prefill: said,
  // Media
  'image.format': refused,
  'image.url': said,
  'image.detail': hint,
  'document.text': said,
  'document.citations': refused,
  'file.url': said,
  'file.id': refused,
  'audio.input': refused,
  'video.input': refused,
  output_modalities: refused,
  // Tools
  'tool.strict': said,
  'tool.freeform': said,
  'tool.namespace': said,
  'tool.defer_loading': hint,
  'tool.client_builtin': said,
  // Left out rather than refused: coding agents declare a search tool in every request.
  'tool.web_search': left,
  'tool.code_execution': refused,
  'tool.web_fetch': refused,
  'tool.mcp': refused,
  'tool.hosted': refused,
  'tool_choice.allowed': said,
  'tool_choice.forced': said,
  parallel_tool_calls: said,
  'tool_result.error': said,
  'tool_result.media': said,
  // Reasoning
  'reasoning.effort': said,
  'reasoning.display': hint,
  'reasoning.replay': left,
  'reasoning.signature': left,
  // Output
  'output.schema': refused,
  'output.json': said,
  'output.enum': said,
  stop: said,
  max_tokens: said,
  candidates: refused,
  logprobs: refused,
  // Sampling
  temperature: left,
  top_p: left,
  top_k: hint,
  min_p: hint,
  top_a: hint,
  repetition_penalty: hint,
  presence_penalty: left,
  frequency_penalty: left,
  seed: left,
  logit_bias: refused,
  // Account, caching, state
  metadata: hint,
  user: hint,
  service_tier: hint,
  cache_control: hint,
  prompt_cache_key: hint,
  state: refused,
  store: left,
  background: refused,
  context_management: refused,
  safety_settings: left,
  moderation: refused,
  verbosity: hint,
  prediction: hint,
  obfuscation: hint,
  diagnostics: hint,
  inference_geo: refused,
  unknown_field: hint,
  // Schemas
  'schema.keyword': said,
  'schema.annotation': hint,
  'schema.optional': said,
  'schema.additionalProperties': said,
  'schema.any': refused,
  'schema.allOf': refused,
  'schema.oneOf': said,
  'schema.reference': refused,
  'schema.root': refused,
  'schema.size': refused,
  'schema.never': refused,
} as const satisfies Readonly<Record<string, LossRule>>

export type LossFeature = keyof typeof lossTable

/** Tells a feature's class; a name that is not in the table is semantic, so that nobody loses it by a misspelling. */
export function lossClassOf(feature: string): LossClass {
  return isListed(feature) ? lossTable[feature].class : 'semantic'
}

/** Reports a feature for which the wire has no place, with the action of the table. */
export function unsupported(path: string, feature: LossFeature, how: string): Loss {
  return { path, feature, action: lossTable[feature].unsupported, how }
}

/** Reports a feature that is said another way. */
export function approximated(path: string, feature: LossFeature, how: string): Loss {
  return { path, feature, action: 'approximated', how }
}

/** Reports a feature that is left out where the matrix allows it although the table would refuse or approximate. */
export function omitted(path: string, feature: LossFeature, how: string): Loss {
  return { path, feature, action: 'omitted', how }
}

/** Reports a value that this upstream cannot be given, whatever the feature's class. */
export function refusal(path: string, feature: LossFeature, how: string): Loss {
  return { path, feature, action: 'refused', how }
}

/**
 * Gives the error that losses amount to: the first refused one, or in strict mode the first of any kind.
 *
 * @returns `unsupported_parameter` with `path` and `feature` in its details, for the caller's encoder to dress;
 *   `undefined` when the request may go.
 */
export function errorOfLosses(losses: readonly Loss[], options: { readonly strict: boolean }): RouteplaneError | undefined {
  const loss = losses.find(({ action }) => action === 'refused') ?? (options.strict ? losses[0] : undefined)
  if (loss === undefined) return undefined
  const where = loss.path === '' ? 'the request' : loss.path.slice(0, 200)
  const hintText =
    loss.action === 'refused'
      ? 'Remove the field, or choose a model whose provider speaks this protocol.'
      : 'Remove the field, or leave strict mode.'
  return new RouteplaneError('unsupported_parameter', `${where} cannot be carried to this provider: ${loss.how}`, {
    hint: hintText,
    details: { path: loss.path.slice(0, 200), feature: loss.feature },
  })
}

/** A header stays short however many tools a request declares. */
const MAX_HEADER_FEATURES = 16

/**
 * Writes the value of `x-routeplane-loss`: the count of losses and their features, each once, in order.
 *
 * @returns for example `3; schema.keyword, top_k`; `undefined` without losses.
 */
export function formatLossHeader(losses: readonly Loss[]): string | undefined {
  if (losses.length === 0) return undefined
  const names = [...new Set(losses.map(({ feature }) => feature.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 60)))]
  const shown = names.slice(0, MAX_HEADER_FEATURES)
  return `${losses.length}; ${[...shown, ...(names.length > shown.length ? ['more'] : [])].join(', ')}`
}

function isListed(feature: string): feature is LossFeature {
  return Object.hasOwn(lossTable, feature)
}
