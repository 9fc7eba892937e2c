/** Named routing configurations: what they may say, and how a request wins over them key by key. */
import { RouteplaneError } from '../errors.ts'
import { minUsd, type Usd } from '../money.ts'
import type { Extensions, ProviderRules } from '../protocol/extensions.ts'
import { paymentModeNames } from '../registry/payment-block.ts'
import { sortOrderOf } from '../selection/variant.ts'

export type Preset = {
  readonly name: string
  readonly model?: string
  readonly models?: readonly string[]
  /** Used only when the caller sent none. */
  readonly systemPrompt?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly routing?: PresetRouting
  readonly maxCostUsd?: Usd
  readonly clampToBudget?: boolean
  readonly paymentPrefer?: readonly string[]
}

export type PresetRouting = {
  readonly sort?: string
  readonly only?: readonly string[]
  readonly ignore?: readonly string[]
  readonly order?: readonly string[]
}

export type PresetStore = {
  list(): readonly Preset[]
  get(name: string): Preset | undefined
  /** @throws RouteplaneError `invalid_request`. */
  set(preset: Preset): void
  /** @returns whether there was one of that name. */
  delete(name: string): boolean
  /** Exchanges those of config and store; what was set since stays. */
  reload(presets: readonly Preset[]): void
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/
/** What a preset's parameters may not decide: these make a request the request that it is, or speak to us. */
export const reservedParams: readonly string[] = [
  'model',
  'models',
  'messages',
  'input',
  'contents',
  'prompt',
  'system',
  'stream',
  'provider',
  'routeplane',
  '__proto__',
]
const MAX_PARAMS_TEXT = 16_384
const MAX_MODELS = 8

/** Keeps presets in memory, by name. */
export function createPresetStore(presets: readonly Preset[]): PresetStore {
  const byName = new Map(presets.map((preset) => [preset.name, preset]))
  const ownNames = new Set<string>()
  return {
    list: () => [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    get: (name) => byName.get(name),
    set(preset) {
      checkPreset(preset)
      byName.set(preset.name, preset)
      ownNames.add(preset.name)
    },
    delete(name) {
      ownNames.delete(name)
      return byName.delete(name)
    },
    reload(next) {
      const kept = [...ownNames].flatMap((name) => byName.get(name) ?? [])
      byName.clear()
      for (const preset of [...next, ...kept]) byName.set(preset.name, preset)
    },
  }
}

/** @throws RouteplaneError `invalid_request` naming the field that says what a preset may not say. */
export function checkPreset(preset: Preset): void {
  const refuse = (why: string) => new RouteplaneError('invalid_request', `preset ${JSON.stringify(preset.name.slice(0, 64))}: ${why}`)
  if (!NAME.test(preset.name)) throw refuse('a name is 1 to 64 letters, digits, - or _')
  const reserved = reservedParams.find((name) => preset.params !== undefined && Object.hasOwn(preset.params, name))
  if (reserved !== undefined) throw refuse(`params may not name ${reserved}`)
  if (textLength(preset.params) > MAX_PARAMS_TEXT) throw refuse(`params are longer than ${MAX_PARAMS_TEXT} characters or nested too deep`)
  const models = [...(preset.model === undefined ? [] : [preset.model]), ...(preset.models ?? [])]
  if (models.some((model) => model.startsWith('@'))) throw refuse('a preset may not name a preset')
  if (models.includes('')) throw refuse('a model is empty')
  if (preset.models !== undefined && (preset.models.length === 0 || preset.models.length > MAX_MODELS)) {
    throw refuse(`models lists ${preset.models.length} entries; 1 to ${MAX_MODELS} are walked`)
  }
  const { sort } = preset.routing ?? {}
  if (sort !== undefined && sortOrderOf(sort) === undefined) throw refuse(`${JSON.stringify(sort)} is not a sort order`)
  const mode = preset.paymentPrefer?.find((name) => !paymentModeNames.some((known) => known === name))
  if (mode !== undefined) throw refuse(`${JSON.stringify(mode)} is not a payment mode`)
}

/** Infinite for what is nested so deep that it cannot be written at all. */
function textLength(params: Preset['params']): number {
  try {
    return JSON.stringify(params ?? {}).length
  } catch {
    return Infinity
  }
}

/**
 * Lays a request over a preset: the request wins, key by key, but a preset can only narrow: exclusions add up, and the
 * lower cap holds.
 *
 * @param ownModel - The model the request itself names, in `model` or after `@name/`. The preset's list then stays aside.
 */
export function mergePreset(extensions: Extensions, preset: Preset, ownModel?: string): Extensions {
  const { routing } = preset
  const own = extensions.provider
  const provider: ProviderRules = {
    ...defined('sort', routing?.sort),
    ...defined('order', routing?.order),
    ...own,
    ...defined('only', intersection(routing?.only, own?.only)),
    ...defined('ignore', union(routing?.ignore, own?.ignore)),
  }
  const caps = [extensions.maxCostUsd, preset.maxCostUsd].filter((cap) => cap !== undefined)
  const hasOwnModel = ownModel !== undefined && ownModel !== ''
  return {
    ...extensions,
    provider,
    ...defined('models', extensions.models ?? (hasOwnModel ? undefined : preset.models)),
    ...defined('clampToBudget', extensions.clampToBudget ?? preset.clampToBudget),
    ...defined('paymentPrefer', extensions.paymentPrefer ?? preset.paymentPrefer),
    ...defined('maxCostUsd', caps[0] === undefined ? undefined : minUsd(caps[0], ...caps.slice(1))),
  }
}

function intersection(one: readonly string[] | undefined, other: readonly string[] | undefined): readonly string[] | undefined {
  return one === undefined || other === undefined ? (one ?? other) : one.filter((id) => other.includes(id))
}

function union(one: readonly string[] | undefined, other: readonly string[] | undefined): readonly string[] | undefined {
  return one === undefined || other === undefined ? (one ?? other) : [...new Set([...one, ...other])]
}

/** A key that is left out where there is no value, as optional fields want it. */
function defined<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]?: Value })
}
