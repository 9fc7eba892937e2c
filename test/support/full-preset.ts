/** A preset that says everything the config lets one say, but for a budget of its own, which is the config's alone. */

export const fullPreset = {
  model: 'maker/m',
  models: ['maker/m', 'maker/n'],
  system_prompt: 'Be brief.',
  params: { temperature: 0 },
  routing: { sort: 'latency', only: ['a', 'b'], ignore: ['c'], order: ['b'] },
  max_cost_usd: '0.01',
  clamp_to_budget: true,
  payment: { prefer: ['x402', 'byok'] },
}
