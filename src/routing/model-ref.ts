/** The grammar of the string in `model`: `[provider:]model[:variant]` or `@preset[/model][:variant]`. */
import { RouteplaneError } from '../errors.ts'
import { isVariant, type Variant } from '../selection/variant.ts'

export type ModelRef = {
  /** As the caller wrote it. */
  readonly text: string
  readonly preset?: string
  /** Pins to exactly this provider. */
  readonly provider?: string
  /** Absent only for a bare `@preset`. */
  readonly model?: string
  readonly variant?: Variant
}

const MAX_LENGTH = 256
/** ASCII only, no control characters, no dot segments: an id travels into headers, logs and URLs. */
const MODEL = /^[A-Za-z0-9][A-Za-z0-9._:@+-]*(?:\/[A-Za-z0-9@][A-Za-z0-9._:@+-]*){0,5}$/
const PRESET = /^@([A-Za-z0-9_-]{1,64})(?:\/(.+))?$/

/**
 * Reads a model ref.
 *
 * A trailing `:word` is a variant only when it is one, so `llama3:8b` stays an id; a leading `word:` is a provider only
 * when one is called so.
 *
 * @throws RouteplaneError `invalid_model_id` naming the first thing that is not allowed.
 */
export function parseModelRef(text: string, isProvider: (id: string) => boolean): ModelRef {
  if (text.length === 0 || text.length > MAX_LENGTH) throw invalid(text, `it has ${text.length} characters; 1 to ${MAX_LENGTH} are allowed`)
  const preset = PRESET.exec(splitVariant(text)[0])
  if (text.startsWith('@')) {
    if (preset?.[1] === undefined) throw invalid(text, 'a preset is written @name or @name/model')
    const variant = splitVariant(text)[1]
    const model = preset[2]
    if (model !== undefined) checkModel(text, model)
    return { text, preset: preset[1], ...(model === undefined ? {} : { model }), ...(variant === undefined ? {} : { variant }) }
  }
  checkModel(text, text)
  const [rest, variant] = splitVariant(text)
  const colon = rest.indexOf(':')
  const provider = colon > 0 && isProvider(rest.slice(0, colon)) ? rest.slice(0, colon) : undefined
  const model = provider === undefined ? rest : rest.slice(colon + 1)
  if (model === '') throw invalid(text, 'no model follows the provider')
  return { text, model, ...(provider === undefined ? {} : { provider }), ...(variant === undefined ? {} : { variant }) }
}

/** Writes a ref back; reads again as the same one. */
export function formatModelRef(ref: Omit<ModelRef, 'text'>): string {
  const head = ref.preset === undefined ? '' : `@${ref.preset}${ref.model === undefined ? '' : '/'}`
  const pin = ref.provider === undefined ? '' : `${ref.provider}:`
  const variant = ref.variant === undefined ? '' : `:${ref.variant}`
  return `${head}${pin}${ref.model ?? ''}${variant}`
}

/** Takes a known variant off the end; anything else stays part of the id. */
function splitVariant(text: string): readonly [rest: string, variant: Variant | undefined] {
  const colon = text.lastIndexOf(':')
  const suffix = text.slice(colon + 1)
  return colon > 0 && isVariant(suffix) ? [text.slice(0, colon), suffix] : [text, undefined]
}

function checkModel(text: string, model: string): void {
  if (!MODEL.test(model)) throw invalid(text, 'letters, digits and . _ : @ + - are allowed, in parts separated by /')
}

function invalid(text: string, why: string): RouteplaneError {
  // Escaped, so that control characters and lookalikes can be seen in an error and cannot act in a terminal.
  const shown = JSON.stringify(text.slice(0, 80)).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return new RouteplaneError('invalid_model_id', `${shown} is not a model id: ${why}`)
}
