/** `presets:`: named ways of asking, which a request may only narrow further. */
import * as z from 'zod'
import { amount, block, complain, flag, line, providerId, rollingCaps } from './fields.ts'
import { reservedParams } from '../routing/preset.ts'
import { paymentModeNames } from './provider-schema.ts'

/** A whole model ref: `@preset`, `provider:model`, `maker/name:variant`. Its grammar belongs to routing. */
const modelRef = z
  .string()
  .max(300)
  .regex(/^[A-Za-z0-9@][A-Za-z0-9._:@+~/-]*$/, 'is not a model ref')

const preset = block({
  model: modelRef.optional(),
  models: z.array(modelRef).min(1).max(8).optional(),
  system_prompt: z.string().max(100_000).optional(),
  params: z.record(z.string().max(64), z.unknown()).optional(),
  routing: block({
    sort: line(32).optional(),
    only: z.array(providerId).optional(),
    ignore: z.array(providerId).optional(),
    order: z.array(providerId).optional(),
  }).optional(),
  max_cost_usd: amount.optional(),
  clamp_to_budget: flag.optional(),
  budget: block(rollingCaps).optional(),
  payment: block({ prefer: z.array(z.enum(paymentModeNames)).min(1) }).optional(),
}).superRefine((fields, context) => {
  for (const name of Object.keys(fields.params ?? {})) {
    if (reservedParams.includes(name)) complain(context, 'bad_param', `a preset may not set ${JSON.stringify(name)}`, ['params', name])
  }
})

export type PresetFields = z.output<typeof preset>

const presetName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'a preset name is letters, digits, "_" and "-"')

/** Presets by name. A preset that names another must find it, and may not come back to itself. */
export const presetMap = z.record(presetName, preset).superRefine((presets, context) => {
  for (const name of Object.keys(presets)) {
    for (const target of targetsOf(presets[name])) {
      if (!Object.hasOwn(presets, target))
        complain(context, 'unknown_preset_target', `there is no preset ${JSON.stringify(target)}`, [name])
    }
    if (comesBack(name, presets)) complain(context, 'preset_cycle', `preset ${name} leads back to itself`, [name])
  }
})

function targetsOf(fields: PresetFields | undefined): readonly string[] {
  const refs = [fields?.model ?? '', ...(fields?.models ?? [])]
  return refs.flatMap((ref) => /^@([A-Za-z0-9_-]+)/.exec(ref)?.[1] ?? [])
}

function comesBack(start: string, presets: Readonly<Record<string, PresetFields>>): boolean {
  const seen = new Set<string>()
  const open = [...targetsOf(presets[start])]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === start) return true
    if (seen.has(name)) continue
    seen.add(name)
    open.push(...targetsOf(Object.hasOwn(presets, name) ? presets[name] : undefined))
  }
  return false
}
