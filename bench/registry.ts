/** How a registry of the real world's size loads and routes: `npx tsx bench/registry.ts [providers] [models each]`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { openChains } from '../src/wallet/open.ts'
import { createBudgets } from '../src/composition/budgets.ts'
import { openRouting } from '../src/composition/routing.ts'
import { createEnvironment } from '../src/config/environment.ts'
import { configFrom } from '../src/config/load.ts'
import type { GatewayContext } from '../src/gateway/context.ts'
import { decide } from '../src/gateway/decide.ts'
import { describe } from '../src/gateway/explain.ts'
import { openSqliteLedger } from '../src/ledger/sqlite/open.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLog } from '../src/lib/log.ts'
import { createPaymentModes } from '../src/payment/index.ts'
import { createResolver } from '../src/payment/resolver.ts'
import { protocols } from '../src/protocol/index.ts'
import { loadRegistryDirectory } from '../src/registry/directory.ts'
import { runBundled } from './bundled.ts'
import { wireCall } from './wire-call.ts'

const [providers = 50, models = 400] = process.argv.slice(2).map(Number)
/** Models that everybody serves; the rest each provider has to itself. */
const SHARED = 20
const DECISIONS = 20_000

// What is measured is what is published: the bundler's output, without what the loader of TypeScript adds to each function.
if (!runBundled(import.meta.url)) {
  const folder = mkdtempSync(join(tmpdir(), 'routeplane-bench-registry-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function run(folder: string): Promise<void> {
  const keys = writeRegistry(folder)
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const started = performance.now()
  const { definitions, problems } = await loadRegistryDirectory(folder)
  const loadMs = performance.now() - started
  if (problems.length > 0) throw new Error(`the generated registry is not valid: ${problems[0]?.message}`)
  const rows = definitions.reduce((sum, { models: listed }) => sum + listed.length, 0)
  const { context, close } = await openContext(folder, keys)
  try {
    globalThis.gc?.()
    const heapMiB = (process.memoryUsage().heapUsed - before) / 1024 / 1024
    print('providers × models', `${definitions.length} × ${models} (${rows} endpoints)`)
    print('load and validate', `${loadMs.toFixed(0)} ms`)
    print('heap held', `${heapMiB.toFixed(1)} MiB`)
    for (const [row, model, explains] of [
      ['decide, one endpoint', `own/m-7-${models - 1}`, false],
      [`decide, ${providers} endpoints`, 'shared/m-3', false],
      ['decide and explain', 'shared/m-3', true],
    ] as const) {
      const { micros, cpuMicros } = timeDecisions(context, model, explains)
      print(row, `p50 ${at(micros, 0.5)} µs, p99 ${at(micros, 0.99)} µs; ${cpuMicros.toFixed(1)} µs of CPU`)
    }
  } finally {
    await close()
  }
}

/** The gateway's own context without its surfaces: everything a decision asks. */
async function openContext(
  folder: string,
  keys: Readonly<Record<string, string>>,
): Promise<{ readonly context: GatewayContext; close(): Promise<void> }> {
  const environment = createEnvironment({ ...keys, ROUTEPLANE_HOME: join(folder, 'home') }, folder, folder)
  const config = configFrom({ registry: { path: folder } }, environment)
  const [clock, log, chainOf] = [systemClock, silentLog, openChains({})]
  const ledger = await openSqliteLedger({ path: config.ledger.path, owner: 'bench', clock, log })
  const budgets = createBudgets(config)
  const routing = await openRouting(config, { ledger, budgets, clock, log })
  const shared = { ledger, chainOf, clock, log }
  const { keyring } = routing
  const modes = createPaymentModes({
    ...shared,
    keyring,
    authorize: () => ({}),
    accounts: new Map(),
    wallet: undefined,
    networks: [],
    schemes: config.payment.schemes,
    channels: config.payment.channels,
    preemptive: config.payment.preemptive,
    leaves: config.payment.leaves,
    budgets: budgets.now,
    resolver: createResolver(shared),
  })
  const close = async () => {
    await routing.close()
    await ledger.close()
  }
  return { context: routing.live({ modes, protocols, ledger, clock, log }).now(), close }
}

function print(row: string, figure: string): void {
  process.stdout.write(`${row.padEnd(26)}${figure}\n`)
}

function at(sorted: readonly number[], share: number): string {
  return (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(1)
}

/** Microseconds of each decision, sorted, and of the processor for one; the first tenth warms up. */
function timeDecisions(context: GatewayContext, model: string, explains: boolean) {
  const call = wireCall('req_1', model)
  const micros: number[] = []
  let cpu = process.cpuUsage()
  for (let each = 0; each < DECISIONS; each++) {
    if (each === DECISIONS / 10) cpu = process.cpuUsage()
    const began = performance.now()
    const decided = decide(call, context)
    if (explains) describe(decided)
    micros.push((performance.now() - began) * 1_000)
  }
  const { user, system } = process.cpuUsage(cpu)
  const measured = micros.slice(DECISIONS / 10).toSorted((a, b) => a - b)
  return { micros: measured, cpuMicros: (user + system) / measured.length }
}

/** @returns a key for each provider. */
function writeRegistry(folder: string): Readonly<Record<string, string>> {
  mkdirSync(join(folder, 'providers'))
  const row = (id: string) =>
    `  - { id: ${id}, name: ${id}, input_modalities: [text], output_modalities: [text], max_input_tokens: 128000, max_output_tokens: 4096 }`
  const canonical = Array.from({ length: SHARED }, (_, each) => row(`shared/m-${each}`))
  const keys: Record<string, string> = {}
  for (let provider = 0; provider < providers; provider++) {
    const id = `p-${provider}`
    keys[`P_${provider}_API_KEY`] = 'k'
    const ids = Array.from({ length: models }, (_, each) => (each < SHARED ? `shared/m-${each}` : `own/m-${provider}-${each}`))
    canonical.push(...ids.slice(SHARED).map(row))
    const price = (1 + (provider % 7) / 10).toFixed(2)
    const listed = ids.map(
      (each) => `  - { id: ${each}, pricing: { input_tokens: { no_cache: ${price} }, output_tokens: { text: ${price} } } }`,
    )
    writeFileSync(
      join(folder, 'providers', `${id}.yaml`),
      [`name: ${id}`, `api_base: https://${id}.example/v1`, 'models:', ...listed, ''].join('\n'),
    )
  }
  writeFileSync(join(folder, 'canonical.yaml'), ['models:', ...canonical, ''].join('\n'))
  return keys
}
