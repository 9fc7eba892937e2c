/** Builds a config from checked fields: defaults in place, paths absolute, secrets wrapped, everything frozen. */
import { dirname, join } from 'node:path'
import { Secret } from '../lib/log.ts'
import type { Usd } from '../money.ts'
import type { Budget, ChargeConfig, Config, ConfiguredPreset, OwnCaps, RollingCaps, WalletConfig } from './config.ts'
import { configureProvider, timeoutsOf } from './configured-provider.ts'
import { resolvePath, stateDirectory, type Environment } from './environment.ts'
import type { PresetFields } from './preset-schema.ts'
import type { Problem } from './problem.ts'
import type { ConfigFields } from './schema.ts'

export type Built = { readonly config: Config; readonly problems: readonly Problem[] }

/**
 * Builds a config from checked fields.
 *
 * Relative paths in a file start at the file's own directory, so that it means the same from wherever it is used.
 */
export function buildConfig(fields: ConfigFields, source: string | undefined, environment: Environment): Built {
  const state = stateDirectory(environment)
  const base = source === undefined ? environment.workingDirectory : dirname(source)
  const problems: Problem[] = []
  const providers = Object.entries(fields.providers).flatMap(([id, block]) => {
    const configured = configureProvider(id, block, fields.wallet.network, environment)
    if (configured !== undefined) return [configured]
    problems.push({ path: ['providers', id], code: 'api_base_required', message: `${id} is not a known provider, so it needs api_base` })
    return []
  })
  const keyVariables = [
    [['wallet', 'key_env'], fields.wallet.key_env],
    [['wallet', 'solana', 'key_env'], fields.wallet.solana.key_env],
    [['charge', 'facilitator', 'key_env'], fields.charge?.facilitator.key_env],
  ] as const
  for (const [path, name] of keyVariables) {
    if (name === undefined || environment.get(name) !== undefined) continue
    problems.push({ path, code: 'env_not_set', message: `the environment variable ${name} is not set` })
  }
  const config: Config = {
    source,
    stateDirectory: state,
    listen: fields.listen,
    skipAuth: fields.skip_auth,
    ...(fields.auth_token === undefined ? {} : { authToken: fields.auth_token }),
    providers,
    virtualModels: Object.entries(fields.models).map(([name, model]) => ({ name, ...model })),
    presets: Object.entries(fields.presets).map(([name, preset]) => presetOf(name, preset)),
    routing: {
      maxAttempts: fields.routing.max_attempts,
      ...(fields.routing.deadline_ms === undefined ? {} : { deadlineMs: fields.routing.deadline_ms }),
      ...(fields.routing.weights === undefined ? {} : { weights: fields.routing.weights }),
      explorationShare: fields.routing.exploration_share,
      sticky: fields.routing.sticky,
      clampToBudget: fields.routing.clamp_to_budget,
      retrySchema: fields.routing.retry_schema,
    },
    managed: managedOf(fields.managed.discounts),
    budget: budgetOf(fields.budget),
    payment: {
      prefer: fields.payment.prefer,
      accounts: fields.payment.accounts,
      onUnknown: fields.payment.on_unknown,
      preemptive: fields.payment.preemptive,
      leaves: fields.payment.permit2_leave,
      ...(fields.payment.schemes === undefined ? {} : { schemes: fields.payment.schemes }),
      channels: {
        maxDepositUsd: fields.payment.channels.max_deposit_usd,
        perSeller: fields.payment.channels.per_provider,
        maxWithdrawDelay: fields.payment.channels.max_withdraw_delay_seconds,
      },
    },
    wallet: walletOf(fields.wallet, base, state, environment),
    ...(fields.charge === undefined ? {} : { charge: chargeOf(fields.charge, environment) }),
    registry: {
      ...(fields.registry.path === undefined ? {} : { path: resolvePath(fields.registry.path, base, environment) }),
      ...(fields.registry.url === undefined ? {} : { url: fields.registry.url }),
      pollSeconds: fields.registry.poll_seconds,
      hideDeprecated: fields.registry.hide_deprecated,
    },
    ledger: {
      path: fields.ledger.path === undefined ? join(state, 'ledger.db') : resolvePath(fields.ledger.path, base, environment),
    },
    upstream: { allowLoopback: fields.upstream.allow_loopback, timeouts: timeoutsOf(fields.upstream.timeouts) },
    log: fields.log,
    environment,
  }
  return { config: deepFreeze(config), problems }
}

/** Shares become parts per thousand, rounded up: nobody is quoted less than he owes. */
function managedOf({ default: standard, models, accounts }: ConfigFields['managed']['discounts']): Config['managed'] {
  const permille = (share: number) => BigInt(Math.ceil(share * 1000 - 1e-6))
  const byName = (shares: Readonly<Record<string, number>>) =>
    new Map(Object.entries(shares).map(([name, share]) => [name, permille(share)]))
  return { standard: permille(standard), models: byName(models), accounts: byName(accounts) }
}

function budgetOf(fields: ConfigFields['budget']): Budget {
  return {
    ...rollingCapsOf(fields),
    perRequestUsd: fields.per_request_usd,
    perDayUsd: fields.per_day_usd,
    ...(fields.approve_above_usd === undefined ? {} : { approveAboveUsd: fields.approve_above_usd }),
    providers: mapValues(fields.providers, ownCapsOf),
    keys: mapValues(fields.keys, ownCapsOf),
  }
}

type CapFields = Pick<ConfigFields['budget'], 'per_hour_usd' | 'per_month_usd' | 'total_usd'> & { readonly per_day_usd?: Usd | undefined }

function rollingCapsOf(fields: CapFields): RollingCaps {
  return {
    ...(fields.per_hour_usd === undefined ? {} : { perHourUsd: fields.per_hour_usd }),
    ...(fields.per_day_usd === undefined ? {} : { perDayUsd: fields.per_day_usd }),
    ...(fields.per_month_usd === undefined ? {} : { perMonthUsd: fields.per_month_usd }),
    ...(fields.total_usd === undefined ? {} : { totalUsd: fields.total_usd }),
  }
}

function ownCapsOf(fields: CapFields & { readonly per_request_usd?: Usd | undefined }): OwnCaps {
  return { ...rollingCapsOf(fields), ...(fields.per_request_usd === undefined ? {} : { perRequestUsd: fields.per_request_usd }) }
}

function mapValues<Value, Result>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value) => Result,
): Readonly<Record<string, Result>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}

function walletOf(fields: ConfigFields['wallet'], base: string, state: string, environment: Environment): WalletConfig {
  const keyIn = (name: string | undefined) => (name === undefined ? undefined : environment.get(name))
  const [key, solanaKey] = [keyIn(fields.key_env), keyIn(fields.solana.key_env)]
  const { keystore: solanaKeystore } = fields.solana
  const password = environment.get(fields.password_env)
  return {
    network: fields.network,
    ...(fields.networks === undefined ? {} : { networks: fields.networks }),
    keystore: fields.keystore === undefined ? join(state, 'wallet.json') : resolvePath(fields.keystore, base, environment),
    ...(fields.signer === undefined ? {} : { signer: fields.signer }),
    ...(key === undefined ? {} : { key: new Secret(key) }),
    solana: {
      keystore: solanaKeystore === undefined ? join(state, 'solana-wallet.json') : resolvePath(solanaKeystore, base, environment),
      ...(solanaKey === undefined ? {} : { key: new Secret(solanaKey) }),
    },
    ...(password === undefined ? {} : { password: new Secret(password) }),
    ...(fields.password_file === undefined ? {} : { passwordFile: resolvePath(fields.password_file, base, environment) }),
    rpc: fields.rpc,
  }
}

function chargeOf(fields: NonNullable<ConfigFields['charge']>, environment: Environment): ChargeConfig {
  const { key_env: keyEnv, urls } = fields.facilitator
  const key = keyEnv === undefined ? undefined : environment.get(keyEnv)
  return {
    margin: fields.margin,
    prices: new Map(Object.entries(fields.prices)),
    ...(fields.pay_to === undefined ? {} : { payTo: fields.pay_to as `0x${string}` }),
    ...(fields.networks === undefined ? {} : { networks: fields.networks }),
    schemes: fields.schemes,
    facilitator: { urls, ...(key === undefined ? {} : { key: new Secret(key) }) },
  }
}

function presetOf(name: string, fields: PresetFields): ConfiguredPreset {
  const { routing } = fields
  return {
    name,
    ...(fields.model === undefined ? {} : { model: fields.model }),
    ...(fields.models === undefined ? {} : { models: fields.models }),
    ...(fields.system_prompt === undefined ? {} : { systemPrompt: fields.system_prompt }),
    ...(fields.params === undefined ? {} : { params: fields.params }),
    ...(routing === undefined
      ? {}
      : {
          routing: {
            ...(routing.sort === undefined ? {} : { sort: routing.sort }),
            ...(routing.only === undefined ? {} : { only: routing.only }),
            ...(routing.ignore === undefined ? {} : { ignore: routing.ignore }),
            ...(routing.order === undefined ? {} : { order: routing.order }),
          },
        }),
    ...(fields.max_cost_usd === undefined ? {} : { maxCostUsd: fields.max_cost_usd }),
    ...(fields.clamp_to_budget === undefined ? {} : { clampToBudget: fields.clamp_to_budget }),
    ...(fields.budget === undefined ? {} : { budget: rollingCapsOf(fields.budget) }),
    ...(fields.payment === undefined ? {} : { paymentPrefer: fields.payment.prefer }),
  }
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const each of Object.values(value)) deepFreeze(each)
  return Object.freeze(value)
}
