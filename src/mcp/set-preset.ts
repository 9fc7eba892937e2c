/** The tool `set_preset`: names a routing configuration, for this connection or for good. */
import * as z from 'zod'
import { RouteplaneError } from '../errors.ts'
import { type Usd, formatUsd } from '../money.ts'
import type { Preset, Routeplane } from '../routeplane.ts'
import { parseCap, paymentModes, usdCap } from './schema.ts'
import { defineTool } from './tool.ts'

const modelRef = z.string().min(1).max(300)
const providers = z.array(z.string().min(1).max(100)).max(50)

const routing = z.strictObject({
  sort: z.string().max(40).optional().describe('The axis to rank by: cost, latency, throughput or balanced.'),
  only: providers.optional().describe('No other provider than these.'),
  ignore: providers.optional().describe('None of these providers.'),
  order: providers.optional().describe('These providers first.'),
})

const input = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .describe('Letters, digits, _ and -. Used as "@name" in complete.'),
  model: modelRef.optional().describe('The model to use; a model id, not another preset.'),
  models: z.array(modelRef).min(1).max(8).optional().describe('Models to fall back through, in order.'),
  system_prompt: z.string().max(100_000).optional().describe('Used when a call brings no system text of its own.'),
  params: z.record(z.string().max(100), z.unknown()).optional().describe('Parameters like temperature, for calls that do not set them.'),
  routing: routing.optional(),
  max_cost_usd: usdCap.optional().describe('The most one call may cost in US dollars. Can only be lower than the caps that hold already.'),
  clamp_to_budget: z.boolean().optional().describe('Shorten answers to what the cap buys instead of refusing.'),
  payment: z.array(z.enum(paymentModes)).min(1).max(4).optional().describe('Ways to pay, most preferred first.'),
  persist: z.boolean().optional().describe('Keep it after this server ends; false by default.'),
  activate: z.boolean().optional().describe('Use it for every complete of this connection that names no other preset; false by default.'),
})

const output = z.object({
  name: z.string().optional(),
  created: z.boolean().optional().describe('False when a preset of this name has been changed.'),
  active: z.boolean().optional().describe('Whether complete uses it by default on this connection.'),
  persisted: z.boolean().optional(),
  model: z.string().optional(),
  models: z.array(z.string()).optional(),
  max_cost_usd: z.string().optional(),
})

export const setPreset = defineTool({
  name: 'set_preset',
  title: 'Set a preset',
  description:
    'Creates or changes a named routing configuration: model, fallbacks, providers, parameters, a lower cost cap. Fields that are left out keep their value. It never raises a cap, reveals a key or spends anything.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  audience: 'operator',
  input,
  output,
  call: async (request, { routeplane, connection }) => {
    if (request.activate === true && connection.isForOneRequest) throw cannotActivate(request.name)
    const existing = routeplane.presets.get(request.name)
    const preset = merge(existing, request)
    if (request.max_cost_usd !== undefined) await assertLowers(routeplane, existing, preset.maxCostUsd)
    const persist = request.persist === true
    // Activating alone must not write: the preset may live in a file that only the operator changes.
    if (existing === undefined || changes(request) || persist) await routeplane.presets.set(preset, { persist })
    if (request.activate === true) connection.activePreset = request.name
    if (request.activate === false && connection.activePreset === request.name) delete connection.activePreset
    return {
      name: preset.name,
      created: existing === undefined,
      active: connection.activePreset === request.name,
      persisted: persist,
      ...(preset.model === undefined ? {} : { model: preset.model }),
      ...(preset.models === undefined ? {} : { models: [...preset.models] }),
      ...(preset.maxCostUsd === undefined ? {} : { max_cost_usd: formatUsd(preset.maxCostUsd) }),
    }
  },
})

function cannotActivate(name: string): RouteplaneError {
  return new RouteplaneError('invalid_request', 'nothing can be activated on a connection that ends with each request', {
    hint: `Leave activate out, and name the preset in each call: model "@${name}".`,
  })
}

type Request = z.output<typeof input>

function changes({ name: _name, persist: _persist, activate: _activate, ...fields }: Request): boolean {
  return Object.values(fields).some((value) => value !== undefined)
}

function merge(existing: Preset | undefined, request: Request): Preset {
  if (existing === undefined && !changes(request)) {
    throw new RouteplaneError('unknown_preset', `there is no preset ${JSON.stringify(request.name)} yet`, {
      hint: 'Say what it should be: a model, models, routing, params or a cap.',
    })
  }
  const { model, models, system_prompt: systemPrompt, params, max_cost_usd: cap, clamp_to_budget: clamp, payment } = request
  return {
    ...existing,
    name: request.name,
    ...(model === undefined ? {} : { model }),
    ...(models === undefined ? {} : { models }),
    ...(systemPrompt === undefined ? {} : { systemPrompt }),
    ...(params === undefined ? {} : { params }),
    ...(request.routing === undefined ? {} : { routing: withoutAbsent(request.routing) }),
    ...(cap === undefined ? {} : { maxCostUsd: parseCap(cap) }),
    ...(clamp === undefined ? {} : { clampToBudget: clamp }),
    ...(payment === undefined ? {} : { paymentPrefer: payment }),
  }
}

function withoutAbsent(rules: z.output<typeof routing>): NonNullable<Preset['routing']> {
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined))
}

/**
 * A prompt can make a model call this tool, so a cap that somebody has set can be lowered here and never raised:
 * not the preset's own, and not the operator's.
 */
async function assertLowers(routeplane: Routeplane, existing: Preset | undefined, cap: Usd | undefined): Promise<void> {
  if (cap === undefined) return
  const holding = (await routeplane.status()).caps.filter(({ scope }) => scope === 'request' || scope === 'all').map(({ capUsd }) => capUsd)
  if (existing?.maxCostUsd !== undefined) holding.push(existing.maxCostUsd)
  const exceeded = holding.filter((limit) => cap > limit).toSorted((one, other) => (one < other ? -1 : 1))[0]
  if (exceeded === undefined) return
  throw new RouteplaneError('invalid_max_cost', `max_cost_usd is above a cap of $${formatUsd(exceeded)} that holds already`, {
    hint: 'Only the operator can raise caps, in the configuration. Ask for less.',
  })
}
