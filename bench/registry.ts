/** How a registry of the real world's size loads and routes: `npx tsx bench/registry.ts [providers] [models each]`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createEnvironment } from '../src/config/environment.ts'
import { configFrom } from '../src/config/load.ts'
import type { GatewayCall } from '../src/gateway/call.ts'
import { chatCompletions } from '../src/protocol/chat-completions/index.ts'
import { loadRegistryDirectory } from '../src/registry/directory.ts'
import { createRouteplane } from '../src/routeplane.ts'

const [providers = 50, models = 400] = process.argv.slice(2).map(Number)
/** Models that everybody serves; the rest each provider has to itself. */
const SHARED = 20
const DECISIONS = 5_000

const folder = mkdtempSync(join(tmpdir(), 'routeplane-bench-registry-'))
try {
  await run()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  const keys = writeRegistry()
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const started = performance.now()
  const { definitions, problems } = await loadRegistryDirectory(folder)
  const loadMs = performance.now() - started
  if (problems.length > 0) throw new Error(`the generated registry is not valid: ${problems[0]?.message}`)
  const rows = definitions.reduce((sum, { models: listed }) => sum + listed.length, 0)
  const environment = createEnvironment({ ...keys, ROUTEPLANE_HOME: join(folder, 'home') }, folder, folder)
  const routeplane = await createRouteplane(configFrom({ registry: { path: folder } }, environment))
  try {
    globalThis.gc?.()
    const heapMiB = (process.memoryUsage().heapUsed - before) / 1024 / 1024
    print('providers × models', `${definitions.length} × ${models} (${rows} endpoints)`)
    print('load and validate', `${loadMs.toFixed(0)} ms`)
    print(
      'heap held',
      `${heapMiB.toFixed(1)} MiB${globalThis.gc === undefined ? ' (run with --expose-gc for a figure without garbage)' : ''}`,
    )
    for (const [row, model] of [
      ['decide, one endpoint', `own/m-7-${models - 1}`],
      [`decide, ${providers} endpoints`, 'shared/m-3'],
    ] as const) {
      const micros = await timeDecisions(routeplane, model)
      print(row, `p50 ${at(micros, 0.5)} µs, p99 ${at(micros, 0.99)} µs`)
    }
  } finally {
    await routeplane.close()
  }
}

function print(row: string, figure: string): void {
  process.stdout.write(`${row.padEnd(26)}${figure}\n`)
}

function at(sorted: readonly number[], share: number): string {
  return (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(1)
}

/** Microseconds of each decision, sorted; the first tenth warms up. */
async function timeDecisions(routeplane: Awaited<ReturnType<typeof createRouteplane>>, model: string): Promise<readonly number[]> {
  const call = wireCall(model)
  const micros: number[] = []
  for (let each = 0; each < DECISIONS; each++) {
    const began = performance.now()
    await routeplane.explain(call)
    micros.push((performance.now() - began) * 1_000)
  }
  return micros.slice(DECISIONS / 10).toSorted((a, b) => a - b)
}

/** A request as it comes over HTTP, for providers that speak its wire: nothing is translated. */
function wireCall(model: string): GatewayCall {
  const { caller } = chatCompletions
  const json = { model, max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] }
  const request = { body: Buffer.from(JSON.stringify(json)), json, path: caller.paths[0] ?? '', query: new URLSearchParams(), headers: {} }
  const { signal } = new AbortController()
  const decode = () => caller.decodeRequest(request)
  return { id: 'req_1', caller: 'local', read: caller.read(request), wire: { protocol: 'chat_completions', request }, decode, signal }
}

/** @returns a key for each provider. */
function writeRegistry(): Readonly<Record<string, string>> {
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
