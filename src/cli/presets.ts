/** `routeplane presets`: named ways of asking, those of the config and those that were kept. */
import { RouteplaneError } from '../errors.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import { parseUsd } from '../money.ts'
import type { Preset } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import { usage, type Invocation } from './invocation.ts'
import { fields, money, table, usdText } from './output.ts'
import { wordsOf } from './registry-directory.ts'
import { withEngine } from './session.ts'

export const presetsList: Command = {
  ...plainCommand,
  name: 'presets list',
  aliases: ['presets'],
  summary: 'List the presets a request may name with @name.',
  async run(invocation, context) {
    const presets = await withEngine(invocation, context, async (routeplane) => routeplane.presets.list())
    const rows = presets.map((preset) => [
      `@${preset.name}`,
      preset.model ?? preset.models?.join(', ') ?? "the request's own",
      preset.routing?.sort ?? '',
      preset.maxCostUsd === undefined ? '' : money(preset.maxCostUsd),
    ])
    const text =
      presets.length === 0 ? 'No presets. Make one with "routeplane presets set <name>".' : table(['preset', 'model', 'sort', 'cap'], rows)
    return { text, value: { presets: presets.map(toValue) } }
  },
}

export const presetsShow: Command = {
  ...plainCommand,
  name: 'presets show',
  summary: 'Show one preset.',
  positionals: ['<name>'],
  async run(invocation, context) {
    const [name = ''] = invocation.positionals
    const preset = await withEngine(invocation, context, async ({ presets }) => presets.get(name) ?? unknown(name, presets.list()))
    const value = toValue(preset)
    const entries = Object.entries(value).filter(([, each]) => each !== null)
    const text = fields(entries.map(([key, each]) => [key, typeof each === 'string' ? each : JSON.stringify(each)]))
    return { text, value }
  },
}

export const presetsSet: Command = {
  ...plainCommand,
  name: 'presets set',
  summary: 'Make a preset, or change the given fields of one.',
  details: [
    'Kept in presets.json of the state directory; your config stays untouched. A running gateway takes it with "routeplane reload".',
  ],
  positionals: ['<name>'],
  options: {
    model: { type: 'string', value: '<model>', summary: 'The model it asks for.' },
    models: { type: 'string', value: '<list>', summary: 'Several to walk in order, with commas.' },
    system: { type: 'string', value: '<text>', summary: 'Instructions for requests that bring none.' },
    params: { type: 'string', value: '<json>', summary: 'Parameters such as {"temperature": 0}.' },
    sort: { type: 'string', value: '<order>', summary: 'balanced, cost, latency or throughput.' },
    only: { type: 'string', value: '<list>', summary: 'Only these providers.' },
    ignore: { type: 'string', value: '<list>', summary: 'Never these providers.' },
    order: { type: 'string', value: '<list>', summary: 'These providers first.' },
    'max-cost': { type: 'string', value: '<usd>', summary: 'The most one request may cost.' },
    'clamp-to-budget': { type: 'string', value: '<yes|no>', summary: 'Shorten answers to what the cap buys instead of refusing.' },
    prefer: { type: 'string', value: '<list>', summary: 'Ways to pay, most preferred first.' },
  },
  async run(invocation, context) {
    const [name = ''] = invocation.positionals
    const changes = changesOf(invocation)
    const preset = await withEngine(invocation, context, async ({ presets }) => {
      const before = presets.get(name)
      const routing = { ...before?.routing, ...changes.routing }
      const merged = { ...before, ...changes, name, ...(Object.keys(routing).length === 0 ? {} : { routing }) }
      await presets.set(merged, { persist: true })
      return merged
    })
    return { text: `Kept @${name}`, value: toValue(preset) }
  },
}

export const presetsDelete: Command = {
  ...plainCommand,
  name: 'presets delete',
  summary: 'Delete a preset that was kept.',
  positionals: ['<name>'],
  async run(invocation, context) {
    const [name = ''] = invocation.positionals
    await withEngine(invocation, context, async ({ presets }) => {
      if (await presets.delete(name)) return
      if (presets.get(name) === undefined) unknown(name, presets.list())
      throw new RouteplaneError('usage', `@${name} stands in the config: take it out there`, { details: { problem: 'preset_of_config' } })
    })
    return { text: `Deleted @${name}`, value: { deleted: name } }
  },
}

function unknown(name: string, presets: readonly Preset[]): never {
  throw new RouteplaneError('unknown_preset', `there is no preset ${JSON.stringify(name.slice(0, 64))}`, {
    hint: `Presets: ${presets.map((each) => each.name).join(', ') || 'none yet'}.`,
  })
}

function changesOf(invocation: Invocation): Omit<Preset, 'name'> {
  const text = (option: string, key: string) => {
    const value = invocation.text(option)
    return value === undefined ? {} : { [key]: value }
  }
  const words = (option: string, key: string) => {
    const value = wordsOf(invocation, option)
    return value === undefined ? {} : { [key]: value }
  }
  const routing = { ...text('sort', 'sort'), ...words('only', 'only'), ...words('ignore', 'ignore'), ...words('order', 'order') }
  return {
    ...text('model', 'model'),
    ...words('models', 'models'),
    ...text('system', 'systemPrompt'),
    ...words('prefer', 'paymentPrefer'),
    ...paramsOf(invocation),
    ...capOf(invocation),
    ...clampOf(invocation),
    ...(Object.keys(routing).length === 0 ? {} : { routing }),
  }
}

function paramsOf(invocation: Invocation): Pick<Preset, 'params'> {
  const text = invocation.text('params')
  if (text === undefined) return {}
  const params = parseJson(text)
  if (!isRecord(params)) throw usage(presetsSet, 'bad_value', '--params is a JSON object such as {"temperature": 0}')
  return { params }
}

/** @throws RouteplaneError `invalid_amount`. */
function capOf(invocation: Invocation): Pick<Preset, 'maxCostUsd'> {
  const text = invocation.text('max-cost')
  return text === undefined ? {} : { maxCostUsd: parseUsd(text) }
}

function clampOf(invocation: Invocation): Pick<Preset, 'clampToBudget'> {
  const text = invocation.text('clamp-to-budget')
  if (text === undefined) return {}
  if (text !== 'yes' && text !== 'no') throw usage(presetsSet, 'bad_value', '--clamp-to-budget is yes or no')
  return { clampToBudget: text === 'yes' }
}

function toValue({ maxCostUsd, systemPrompt, paymentPrefer, ...preset }: Preset): Readonly<Record<string, unknown>> {
  return {
    name: preset.name,
    model: preset.model ?? null,
    models: preset.models ?? null,
    system_prompt: systemPrompt ?? null,
    params: preset.params ?? null,
    routing: preset.routing ?? null,
    max_cost_usd: usdText(maxCostUsd),
    clamp_to_budget: preset.clampToBudget ?? null,
    payment_prefer: paymentPrefer ?? null,
  }
}
