/** `routeplane config check`: reads the config as `serve` would, and says what it came to. */
import type { Config } from '../config/config.ts'
import { plainCommand, type Command } from './command.ts'
import { fields, money, usdText } from './output.ts'
import { loadFor } from './session.ts'

export const configCheck: Command = {
  ...plainCommand,
  name: 'config check',
  summary: 'Check the config and show what it came to, without connecting to anything.',
  async run(invocation, context) {
    const config = await loadFor(invocation, context)
    return { text: describe(config), value: summarize(config) }
  },
}

function describe(config: Config): string {
  const head = config.source === undefined ? 'No config file: the keys in the environment decide.' : `${config.source} is valid.`
  return `${head}\n\n${fields([
    ['listen', `${config.listen.host}:${config.listen.port}, ${authOf(config)}`],
    ['providers', listed(config.providers.map(providerText))],
    ['model lists', listed(config.virtualModels.map(({ name }) => name))],
    ['presets', listed(config.presets.map(({ name }) => `@${name}`))],
    [
      'budget',
      caps(config)
        .map(([name, cap]) => `${money(cap)} per ${name}`)
        .join(', '),
    ],
    ['payment', config.payment.prefer.join(' > ')],
    ['registry', config.registry.path ?? config.registry.url ?? 'the one that comes with the package'],
    ['wallet', `${config.wallet.network}, ${config.wallet.key === undefined ? config.wallet.keystore : 'key from the environment'}`],
    ['ledger', config.ledger.path],
  ])}`
}

/** With its own models counted; without any it is asked for its list, or takes the registry's. */
function providerText({ provider, apiKey, models }: Config['providers'][number]): string {
  const about = [
    ...(apiKey === undefined ? [] : ['key']),
    ...(models.length === 0 ? [] : [models.length === 1 ? '1 model' : `${models.length} models`]),
  ]
  return about.length === 0 ? provider.id : `${provider.id} (${about.join(', ')})`
}

function authOf(config: Config): string {
  if (config.skipAuth) return 'no token asked for'
  return config.authToken === undefined ? 'token in the state directory' : 'token of the config'
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

function caps({ budget }: Config) {
  const all = [
    ['request', budget.perRequestUsd],
    ['hour', budget.perHourUsd],
    ['day', budget.perDayUsd],
    ['month', budget.perMonthUsd],
    ['lifetime', budget.totalUsd],
  ] as const
  return all.flatMap(([name, cap]) => (cap === undefined ? [] : [[name, cap] as const]))
}

function summarize(config: Config): unknown {
  return {
    valid: true,
    source: config.source ?? null,
    listen: config.listen,
    skip_auth: config.skipAuth,
    providers: config.providers.map(({ provider, apiKey, models }) => ({
      id: provider.id,
      api_base: provider.baseUrl,
      has_key: apiKey !== undefined,
      payment: provider.payment.modes,
      models: models.map(({ modelId }) => modelId),
    })),
    models: config.virtualModels.map(({ name }) => name),
    presets: config.presets.map(({ name }) => name),
    budget_usd: Object.fromEntries(caps(config).map(([name, cap]) => [name, usdText(cap)])),
    wallet: { network: config.wallet.network, keystore: config.wallet.keystore },
    registry: config.registry.path ?? config.registry.url ?? null,
    ledger: config.ledger.path,
  }
}
