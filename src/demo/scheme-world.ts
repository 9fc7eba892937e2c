/** Writes what a user of the scheme market would write: a manifest for each stall, and a config that pays them. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FreeProvider } from './free-provider.ts'
import type { SchemeMarket, Stall } from './scheme-market.ts'

export type SchemeWorld = {
  readonly market: SchemeMarket
  readonly free: FreeProvider
  /** The variable that the wallet's key will be in. */
  readonly keyVariable: string
  /** Where a gateway will listen; a config without it listens where gateways do. */
  readonly port?: number
}

/**
 * Fills an empty directory.
 *
 * @returns the config's path.
 */
export async function writeSchemeWorld(directory: string, { market, free, keyVariable, port }: SchemeWorld): Promise<string> {
  const { base, tempo, stalls } = market
  await mkdir(join(directory, 'registry', 'providers'), { recursive: true })
  for (const stall of stalls) await writeFile(join(directory, 'registry', 'providers', `${stall.id}.yaml`), manifest(stall))
  const file = join(directory, 'routeplane.yaml')
  const price = 'pricing: { prompt: "0", completion: "0" }'
  const text = [
    ...(port === undefined ? [] : [`listen: { host: 127.0.0.1, port: ${port} }`]),
    'skip_auth: true',
    'registry: { path: ./registry }',
    'upstream: { allow_loopback: true }',
    'budget: { per_request_usd: "0.02", per_day_usd: "5" }',
    `providers: { ${free.id}: { api_base: "${free.baseUrl}", models: [{ id: demo/echo, ${price} }] } }`,
    `wallet: { network: testnet, key_env: ${keyVariable}, rpc: { "${base.network}": "${base.rpcUrl}", "${tempo.network}": "${tempo.rpcUrl}" } }`,
    'ledger: { path: ./ledger.db }',
    'log: { level: warn }',
    '',
  ].join('\n')
  await writeFile(file, text)
  return file
}

function manifest({ id, baseUrl, modelsUrl, payTo, mode, scheme, network }: Stall): string {
  const [method = '', intent = ''] = scheme.split('/')
  const terms = mode === 'x402' ? `schemes: [${scheme}]` : `methods: [${method}], intents: [${intent}]`
  return [
    `id: ${id}`,
    `name: ${id}`,
    `endpoint: ${baseUrl}`,
    'protocol: openai',
    `models_url: ${modelsUrl}`,
    'payment:',
    `  modes: [${mode}]`,
    `  x402_address: "${payTo}"`,
    `  ${mode}: { networks: ["${network}"], ${terms} }`,
    '',
  ].join('\n')
}
