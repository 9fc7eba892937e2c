/** What decides where a request goes: catalog, presets, health, limits and the operator's rules; a reload exchanges it whole. */
import { isDeepStrictEqual } from 'node:util'
import { createKeyring, type Keyring } from '../access/keyring.ts'
import type { Config } from '../config/config.ts'
import { RouteplaneError } from '../errors.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { createTwins } from '../gateway/twins.ts'
import type { Clock } from '../lib/clock.ts'
import { Secret, type Log } from '../lib/log.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { createPoller, type Poller } from '../registry/poll.ts'
import { createPresetStore } from '../routing/preset.ts'
import { createRateLimits } from '../routing/rate-limit.ts'
import { createHealth } from '../selection/health.ts'
import { createServedPrefixes } from '../selection/served-prefixes.ts'
import { openCatalog, viewCatalog, type CatalogView } from './catalog.ts'
import { createGuardedTransport } from './guarded-transport.ts'
import { startHealthSync } from './health-sync.ts'
import { loadPresets, viewPresets, type PresetView } from './preset-file.ts'
import { createDriftLog, viewProviders, type ProviderView } from './provider-view.ts'
import { rulesOf } from './rules.ts'
import type { StandingBudgets } from './budgets.ts'

/** The parts of a gateway's context that a config writes. */
type Ruled = Pick<GatewayContext, 'virtualModels' | 'openProviders' | 'rules'>

/** Its other parts, that come from elsewhere. */
export type Elsewhere = Omit<
  GatewayContext,
  keyof Ruled | 'catalog' | 'health' | 'rateLimits' | 'prefixes' | 'twins' | 'presets' | 'transport'
>

type Live = {
  /** Its rules are always those of the last config. */
  readonly context: GatewayContext
  /** One that keeps the rules of this moment; the same object until the next reload, since every request asks for it. */
  now(): GatewayContext
}

export type Routing = {
  live(elsewhere: Elsewhere): Live
  readonly keyring: Keyring
  readonly poller: Poller
  readonly views: { readonly catalog: CatalogView; readonly providers: ProviderView; readonly presets: PresetView }
  /** Asks a published registry for a newer build and takes it. Never rejects. */
  refreshRegistry(signal: AbortSignal): Promise<void>
  /**
   * Takes another config, whole or not at all: requests under way go on with what they began with.
   *
   * @throws RouteplaneError `config_invalid` when it is not usable, or changes what only a restart can change.
   */
  reload(config: Config): Promise<void>
  close(): Promise<void>
}

export type RoutingDeps = { readonly ledger: Ledger; readonly budgets: StandingBudgets; readonly clock: Clock; readonly log: Log }

/** @throws RouteplaneError `config_invalid` when a payee's checksum is wrong. */
export async function openRouting(first: Config, { ledger, budgets, clock, log }: RoutingDeps): Promise<Routing> {
  const registry = await openCatalog(first, log)
  const { catalog } = registry
  const transport = createGuardedTransport(first)
  const presets = createPresetStore([...first.presets, ...(await loadPresets(first.stateDirectory))])
  const rateLimits = createRateLimits(clock)
  const health = createHealth(clock)
  const healthSync = startHealthSync(health, ledger.health, { clock, log })
  await healthSync.sync()
  const drifts = createDriftLog()
  const fixed = {
    catalog,
    health,
    rateLimits,
    prefixes: createServedPrefixes(clock),
    twins: createTwins(clock),
    presets,
    transport: transport.send,
  }
  let config = first
  let keyring = keyringOf(config, clock)
  let ruled = ruledBy(config)
  const poller = createPoller({
    definitions: () => catalog.definitions(),
    onDocuments: (documents) => catalog.setDocuments(documents),
    onDrift(drift) {
      drifts.add(drift)
      log.warn('a price differs', { provider: drift.provider, model: drift.model, against: drift.against })
    },
    transport: transport.send,
    clock,
    log,
    intervalMs: first.registry.pollSeconds * 1_000,
  })
  return {
    live: (elsewhere) => followRules({ ...elsewhere, ...fixed }, () => ruled),
    keyring: {
      keyOf: (provider) => keyring.keyOf(provider),
      accountsOf: (provider) => keyring.accountsOf(provider),
      headersOf: (provider) => keyring.headersOf(provider),
    },
    poller,
    views: {
      catalog: viewCatalog(catalog, health, { hideDeprecated: () => ruled.rules.hideDeprecated, addressing: () => ruled, clock }),
      providers: viewProviders({ catalog, health, rateLimits, poller, drifts }),
      presets: viewPresets(presets, first.stateDirectory, clock),
    },
    refreshRegistry: registry.refresh,
    async reload(next) {
      refuseRestart(config, next)
      const stored = await loadPresets(next.stateDirectory)
      const take = await registry.prepare(next)
      // Nothing below can fail: from here on it is the new one.
      take()
      presets.reload([...next.presets, ...stored])
      transport.allow(next)
      budgets.take(next)
      config = next
      keyring = keyringOf(next, clock)
      ruled = ruledBy(next)
      void poller.refresh()
    },
    async close() {
      await healthSync.stop()
      await Promise.all([transport.close(), registry.close()])
    },
  }
}

function followRules(parts: Omit<GatewayContext, keyof Ruled>, ruledNow: () => Ruled): Live {
  let made = { of: ruledNow(), context: { ...parts, ...ruledNow() } }
  return {
    context: {
      ...parts,
      get virtualModels() {
        return ruledNow().virtualModels
      },
      get openProviders() {
        return ruledNow().openProviders
      },
      get rules() {
        return ruledNow().rules
      },
    },
    now() {
      const ruled = ruledNow()
      if (made.of !== ruled) made = { of: ruled, context: { ...parts, ...ruled } }
      return made.context
    },
  }
}

function ruledBy(config: Config): Ruled {
  return {
    virtualModels: new Map(config.virtualModels.map((each) => [each.name, each])),
    openProviders: new Set(config.providers.flatMap((each) => (each.passesAnyModel ? [each.provider.id] : []))),
    rules: rulesOf(config),
  }
}

function keyringOf(config: Config, clock: Clock): Keyring {
  return createKeyring({
    clock,
    configured: new Map(config.providers.map((each) => [each.provider.id, each])),
    variable: (name) => {
      const value = config.environment.get(name)
      return value === undefined ? undefined : new Secret(value)
    },
  })
}

/** What is opened once: sockets, files, the wallet and its ways to pay. */
const untilRestart: readonly { readonly name: string; of(config: Config): unknown }[] = [
  { name: 'listen', of: ({ listen }) => listen },
  { name: 'skip_auth', of: ({ skipAuth }) => skipAuth },
  { name: 'auth_token', of: ({ authToken }) => authToken },
  { name: 'the state directory', of: ({ stateDirectory }) => stateDirectory },
  { name: 'wallet', of: ({ wallet }) => wallet },
  { name: 'ledger', of: ({ ledger }) => ledger },
  { name: 'upstream', of: ({ upstream }) => upstream },
  { name: 'charge', of: ({ charge }) => charge },
  { name: 'payment.schemes', of: ({ payment }) => payment.schemes },
  { name: 'payment.accounts', of: ({ payment }) => payment.accounts },
  { name: 'payment.channels', of: ({ payment }) => payment.channels },
  { name: 'payment.preemptive', of: ({ payment }) => payment.preemptive },
  { name: 'payment.permit2_leave', of: ({ payment }) => payment.leaves },
  { name: 'registry.poll_seconds', of: ({ registry }) => registry.pollSeconds },
  { name: 'log', of: ({ log }) => log },
]

function refuseRestart(before: Config, next: Config): void {
  const changed = untilRestart.filter(({ of }) => !isDeepStrictEqual(plain(of(before)), plain(of(next)))).map(({ name }) => name)
  if (changed.length === 0) return
  throw new RouteplaneError('config_invalid', `only a restart can change ${changed.join(', ')}; nothing was changed`, {
    details: { changed },
  })
}

/** Secrets are compared by what they hide. */
function plain(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal()
  if (value instanceof Map) return plain([...value])
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
}
