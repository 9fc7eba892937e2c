/** The resources of presets: the list, and one by its name. */
import { formatUsd } from '../money.ts'
import type { Preset } from '../routeplane.ts'
import type { Resource } from './resource.ts'

export const presetsResource: Resource = {
  name: 'presets',
  title: 'Presets',
  description: 'The named routing configurations that complete takes as "@name".',
  audience: 'operator',
  uri: 'routeplane://presets',
  read: async (_id, { routeplane }) => ({ object: 'list', data: routeplane.presets.list().map(presetCard) }),
}

export const presetResource: Resource = {
  name: 'preset',
  title: 'One preset',
  description: 'A named routing configuration: model, fallbacks, rules, parameters, cap.',
  audience: 'operator',
  uri: 'routeplane://presets/{id}',
  suggest: async (value, { routeplane }) =>
    routeplane.presets
      .list()
      .map(({ name }) => name)
      .filter((name) => name.startsWith(value)),
  read: async (id, { routeplane }) => {
    const preset = routeplane.presets.get(id)
    return preset === undefined ? undefined : presetCard(preset)
  },
}

/** The same names as set_preset takes; what is not set is left out. */
function presetCard({ name, model, models, systemPrompt, params, routing, maxCostUsd, clampToBudget, paymentPrefer }: Preset): unknown {
  return {
    name,
    model,
    models,
    system_prompt: systemPrompt,
    params,
    routing,
    max_cost_usd: maxCostUsd === undefined ? undefined : formatUsd(maxCostUsd),
    clamp_to_budget: clampToBudget,
    payment: paymentPrefer,
  }
}
