/** Named routing configurations: what they may say, and how a request wins over them key by key. */
import { RouteplaneError } from '../errors.ts'
import type { Usd } from '../money.ts'
import type { Extensions, ProviderRules } from '../protocol/extensions.ts'

export type Preset = {
  readonly name: string
  readonly model?: string
  readonly models?: readonly string[]
  /** Used only when the caller sent none. */
  readonly systemPrompt?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly routing?: PresetRouting
  readonly maxCostUsd?: Usd
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
  set(preset: Preset): void
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/
const FORBIDDEN_PARAMS = ['model', 'messages', 'stream', 'input', 'contents'] as const

/** Keeps presets in memory, by name. */
export function createPresetStore(presets: readonly Preset[]): PresetStore {
  const byName = new Map(presets.map((preset) => [preset.name, preset]))
  return {
    list: () => [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    get: (name) => byName.get(name),
    set(preset) {
      checkPreset(preset)
      byName.set(preset.name, preset)
    },
  }
}

/** @throws RouteplaneError `invalid_request` for a bad name, or params that would replace the request itself. */
export function checkPreset(preset: Preset): void {
  if (!NAME.test(preset.name)) throw new RouteplaneError('invalid_request', 'a preset name is 1 to 64 letters, digits, - or _')
  const forbidden = FORBIDDEN_PARAMS.find((name) => preset.params !== undefined && name in preset.params)
  if (forbidden !== undefined) throw new RouteplaneError('invalid_request', `a preset's params may not name ${forbidden}`)
  if ([preset.model, ...(preset.models ?? [])].some((model) => model?.startsWith('@'))) {
    throw new RouteplaneError('invalid_request', 'a preset may not name a preset')
  }
}

/**
 * Lays a request over a preset: the request wins, key by key, but a preset can only narrow: exclusions add up, and the
 * lower cap holds.
 */
export function mergePreset(extensions: Extensions, preset: Preset): Extensions {
  const { routing } = preset
  const provider: ProviderRules = {
    ...(routing?.sort === undefined ? {} : { sort: routing.sort }),
    ...(routing?.order === undefined ? {} : { order: routing.order }),
    ...extensions.provider,
    ...intersect('only', routing?.only, extensions.provider?.only),
    ...unite('ignore', routing?.ignore, extensions.provider?.ignore),
  }
  const caps = [extensions.maxCostUsd, preset.maxCostUsd].filter((cap) => cap !== undefined)
  const least = caps.toSorted((a, b) => (a < b ? -1 : 1))[0]
  const models = extensions.models ?? preset.models
  const paymentPrefer = extensions.paymentPrefer ?? preset.paymentPrefer
  return {
    ...extensions,
    provider,
    ...(models === undefined ? {} : { models }),
    ...(paymentPrefer === undefined ? {} : { paymentPrefer }),
    ...(least === undefined ? {} : { maxCostUsd: least }),
  }
}

function intersect(key: 'only', one: readonly string[] | undefined, other: readonly string[] | undefined) {
  if (one === undefined || other === undefined) return one === undefined ? {} : { [key]: one }
  return { [key]: one.filter((id) => other.includes(id)) }
}

function unite(key: 'ignore', one: readonly string[] | undefined, other: readonly string[] | undefined) {
  return one === undefined ? {} : { [key]: [...new Set([...one, ...(other ?? [])])] }
}
