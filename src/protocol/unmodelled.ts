/** Reports what no wire but the caller's has: fields that its decoder did not model, and ids of somebody's store. */
import type { CompletionRequest, UnknownField } from '../completion/request.ts'
import { isRecord } from '../lib/json.ts'
import { lossTable, unsupported, type Loss, type LossFeature } from './loss.ts'

/** Names of fields that stand for a feature of another name. */
const aliases: Readonly<Record<string, LossFeature>> = {
  safety_identifier: 'user',
  prompt_cache_options: 'cache_control',
  prompt_cache_retention: 'cache_control',
  include_obfuscation: 'obfuscation',
  stream_options: 'obfuscation',
  speed: 'service_tier',
  labels: 'metadata',
  client_metadata: 'metadata',
}

/** Names the feature that a field stands for, by the last step of its path in whichever spelling. */
export function featureOf(path: string): LossFeature {
  const last = (path.split('.').at(-1) ?? '').replace(/\[\d+\]$/, '')
  const name = last.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  if (Object.hasOwn(aliases, name)) return aliases[name] ?? 'unknown_field'
  return Object.hasOwn(lossTable, name) ? (name as LossFeature) : 'unknown_field'
}

/**
 * The members that a decoder reads of an object, or of each object in a list: `true` where it takes the value as it is. By a
 * function where the object tells which; `undefined` is an object that is taken whole.
 */
export type Modelled = ModelledMembers | ((value: Readonly<Record<string, unknown>>) => ModelledMembers | undefined)
export type ModelledMembers = { readonly [member: string]: true | Modelled }

/** Members that are taken as they are. */
export function taken(names: Iterable<string>): Readonly<Record<string, true>> {
  return Object.fromEntries([...names].map((name) => [name, true as const]))
}

/** Collects every member that is not modelled, however deep; those that say nothing (null, an empty list) do not count. */
export function unmodelled(value: unknown, modelled: Modelled, path = ''): readonly UnknownField[] {
  if (Array.isArray(value)) return value.flatMap((each, index) => unmodelled(each, modelled, `${path}[${index}]`))
  if (!isRecord(value)) return []
  const members = typeof modelled === 'function' ? modelled(value) : modelled
  if (members === undefined) return []
  return Object.entries(value).flatMap(([name, member]) => {
    const where = path === '' ? name : `${path}.${name}`
    if (member === null || (Array.isArray(member) && member.length === 0)) return []
    const below = Object.hasOwn(members, name) ? members[name] : undefined
    if (below === undefined) return [{ path: where, value: member }]
    return below === true ? [] : unmodelled(member, below, where)
  })
}

/** Fields nobody has modelled are left out; one that stands for a feature is treated as that feature. */
export function lossesOfUnknown({ unknown }: Pick<CompletionRequest, 'unknown'>, how: string): readonly Loss[] {
  return unknown.map(({ path }) => unsupported(path, featureOf(path), how))
}

/** Ids of another provider's store mean nothing to this one. */
export function lossesOfState({ state }: Pick<CompletionRequest, 'state'>): readonly Loss[] {
  return Object.keys(state).map((name) => {
    const feature = featureOf(name)
    return unsupported(
      name,
      feature === 'context_management' ? feature : 'state',
      'only the provider that issued it knows what it stands for',
    )
  })
}
