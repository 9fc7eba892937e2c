/** The story `routeplane demo` tells: a market of play money, one paid completion over HTTP, one over MCP, and the proof. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { stateDirectory, withVariable } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { ANVIL_MEGABYTES, ensureAnvil } from '../demo/fetch-anvil.ts'
import { startDemoNetwork, type DemoNetwork } from '../demo/network.ts'
import type { PaidProvider } from '../demo/paid-provider.ts'
import { formatUsd, fromAtomic } from '../money.ts'
import { systemClock } from '../lib/clock.ts'
import { createId } from '../lib/id.ts'
import type { Routeplane } from '../routeplane.ts'
import type { DemoOptions } from './context.ts'
import { withGateway } from './demo-gateway.ts'
import { completeOverHttp, completeOverMcp, mcpCommand, MAX_TOKENS, type DemoAnswer, type DemoQuestion } from './demo-calls.ts'
import { fields, money } from './output.ts'
import { aborted } from './serve.ts'
import { textCall } from './text-call.ts'

const MODEL = 'demo/echo'
const KEY_VARIABLE = 'ROUTEPLANE_DEMO_KEY'

/** Two sellers of one model, so that there is something to choose. */
const sellers = [
  { id: 'swift', prices: { prompt: '0.000004', completion: '0.00002' }, latencyMs: 20, tokenDelayMs: 10 },
  { id: 'thrift', prices: { prompt: '0.000001', completion: '0.000005' }, latencyMs: 150, tokenDelayMs: 40 },
] as const

/**
 * Tells the story and takes everything down again.
 *
 * @throws RouteplaneError when a payment cannot be verified on chain: the demo proves, it does not pretend.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { say, log, keep } = options
  const directory = await mkdtemp(join(tmpdir(), 'routeplane-demo-'))
  const cache = join(stateDirectory(options.environment), 'anvil')
  const anvil = await ensureAnvil(cache, () => say(`Fetching anvil, a local chain, with npm: about ${ANVIL_MEGABYTES} MB, once.`))
  const network = await startDemoNetwork({ providers: sellers, ...(anvil === undefined ? {} : { anvilInstalledIn: anvil }) })
  try {
    const file = await writeWorld(directory, network)
    const environment = withVariable(options.environment, KEY_VARIABLE, network.payer.privateKey)
    const config = await loadConfig({ file, environment })
    introduce(network, config, options)
    await withGateway(config, log, keep, async (routeplane, url) => {
      await tell(routeplane, { url, file, network }, options)
      if (!keep) return
      invite(url, file, network, options)
      await aborted(options.signal)
    })
  } finally {
    await network.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** A registry directory with one manifest per provider, and a config that uses it: what a user would write. */
async function writeWorld(directory: string, network: DemoNetwork): Promise<string> {
  await mkdir(join(directory, 'registry', 'providers'), { recursive: true })
  for (const provider of network.providers)
    await writeFile(join(directory, 'registry', 'providers', `${provider.id}.yaml`), manifest(provider, network))
  const file = join(directory, 'routeplane.yaml')
  const text = [
    'skip_auth: true',
    'registry: { path: ./registry }',
    'upstream: { allow_loopback: true }',
    'budget: { per_request_usd: "0.02", per_day_usd: "1" }',
    `wallet: { network: testnet, key_env: ${KEY_VARIABLE}, rpc: { "${network.network}": "${network.rpcUrl}" } }`,
    'ledger: { path: ./ledger.db }',
    'log: { level: warn }',
    '',
  ].join('\n')
  await writeFile(file, text)
  return file
}

function manifest(provider: PaidProvider, network: DemoNetwork): string {
  return [
    `id: ${provider.id}`,
    `name: ${provider.id}`,
    `endpoint: ${provider.baseUrl}`,
    'protocol: openai',
    `models_url: ${provider.modelsUrl}`,
    'payment:',
    '  modes: [x402]',
    `  x402_address: "${provider.payTo}"`,
    `  x402: { networks: ["${network.network}"] }`,
    '',
  ].join('\n')
}

function introduce(network: DemoNetwork, config: Config, { say }: DemoOptions): void {
  say('A market of play money on this machine:')
  say(
    fields([
      ['  chain', `${network.rpcUrl}, standing in for Base Sepolia (${network.network})`],
      ['  wallet', `${network.payer.address}, made for this run`],
      ...network.providers.map(({ id, prices, payTo }): [string, string] => [
        `  ${id}`,
        `$${prices.prompt} in, $${prices.completion} out per token, paid to ${payTo}`,
      ]),
      ['  caps', `$${formatUsd(config.budget.perRequestUsd)} a request, $${formatUsd(config.budget.perDayUsd)} a day`],
    ]),
  )
}

type Scene = { readonly url: string; readonly file: string; readonly network: DemoNetwork }

async function tell(routeplane: Routeplane, { url, file, network }: Scene, options: DemoOptions): Promise<void> {
  const { say, write } = options
  const before = await balances(network)

  say(`\n1. HTTP, streamed: POST ${url}/v1/chat/completions, model ${MODEL}:latency`)
  const streamed = { model: `${MODEL}:latency`, prompt: 'hello from HTTP' }
  await choose(routeplane, streamed, options)
  write('   ')
  await prove(routeplane, await completeOverHttp(url, streamed, write), options)

  say(`\n2. MCP over stdio: tool complete, model ${MODEL}:cost`)
  const asked = { model: `${MODEL}:cost`, prompt: 'hello from MCP' }
  await choose(routeplane, asked, options)
  const answer = await completeOverMcp(file, { [KEY_VARIABLE]: network.payer.privateKey }, asked)
  say(`   ${answer.text}`)
  await prove(routeplane, answer, options)

  const after = await balances(network)
  say('\nBalances in test dollars:')
  say(fields([...after].map(([name, amount]) => [`  ${name}`, `${before.get(name) ?? '?'} → ${amount}`])))
  const { differences, ledgerUsd, chainUsd } = await routeplane.receipts.reconcile({})
  say(`\nLedger $${formatUsd(ledgerUsd)}, chain $${formatUsd(chainUsd)}: ${differences.length === 0 ? 'they agree.' : 'they DIFFER.'}`)
}

/** Says who could answer, in which order they will be asked, and the most each could cost: what `routeplane route` would say. */
async function choose(routeplane: Routeplane, { model, prompt }: DemoQuestion, { say }: DemoOptions): Promise<void> {
  const call = textCall({
    id: createId('req', systemClock.now()),
    model,
    prompt,
    maxOutputTokens: MAX_TOKENS,
    signal: new AbortController().signal,
  })
  const { candidates, capUsd } = await routeplane.explain(call)
  const latency = (ms: number | undefined) => (ms === undefined ? 'latency unmeasured' : `first token in ${Math.round(ms)} ms`)
  say(
    fields([
      ...candidates.map(({ rank, endpoint, expectedUsd, boundUsd, terms }): [string, string] => [
        `   choice ${rank}`,
        `${endpoint}: about ${money(expectedUsd)}, at most ${money(boundUsd)}, ${latency(terms.latency)}`,
      ]),
      ['   cap', money(capUsd)],
    ]),
  )
}

/** Says who served, what was paid, and what the chain has of it. */
async function prove(routeplane: Routeplane, answer: DemoAnswer, { say }: DemoOptions): Promise<void> {
  const row = await settledReceipt(routeplane, answer.receiptId)
  const verification = await routeplane.receipts.verify(answer.receiptId)
  const { payment } = row
  say(
    fields([
      ['   served by', `${answer.provider} (attempt ${answer.attempts})`],
      [
        '   paid',
        payment === undefined
          ? 'nothing'
          : `$${formatUsd(fromAtomic(payment.amountSettled ?? payment.amountAuthorized, payment.decimals, 'up'))} by ${payment.scheme} to ${payment.payee}`,
      ],
      ['   transaction', payment?.transaction ?? 'none'],
      ['   receipt', `${answer.receiptId} ${verification.verified ? 'VERIFIED on chain' : 'NOT verified'}`],
      ...verification.checks.map(({ check, ok, detail }): [string, string] => [`     ${ok ? '✓' : '✗'} ${check}`, detail]),
    ]),
  )
  if (!verification.verified) throw new Error(`receipt ${answer.receiptId} is not what the chain says`)
}

/** The answer may end a moment before its payment is seen on chain. */
async function settledReceipt(routeplane: Routeplane, id: string) {
  for (let tries = 0; ; tries++) {
    const row = await routeplane.receipts.get(id)
    if (row?.state === 'settled') return row
    if (tries === 100) throw new Error(`receipt ${id} is not settled: ${row?.state ?? 'unknown'}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function balances(network: DemoNetwork): Promise<ReadonlyMap<string, string>> {
  const owners = [['wallet', network.payer.address] as const, ...network.providers.map(({ id, payTo }) => [id, payTo] as const)]
  const rows = await Promise.all(
    owners.map(async ([name, owner]) => {
      const amount = await network.chain.balanceOf(network.asset.address, owner)
      return [name, formatUsd(fromAtomic(amount, network.asset.decimals, 'down'))] as const
    }),
  )
  return new Map(rows)
}

function invite(url: string, file: string, network: DemoNetwork, { say }: DemoOptions): void {
  const entry = { ...mcpCommand(file), env: { [KEY_VARIABLE]: network.payer.privateKey.reveal() } }
  say('\nIt stays up until Ctrl-C. Ask it yourself:')
  say(`  curl ${url}/v1/chat/completions -H 'content-type: application/json' \\`)
  say(`    -d '{"model": "${MODEL}", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}' -i`)
  say('Or from an MCP client (the key is the throw-away one of this run):')
  say(`  ${JSON.stringify({ mcpServers: { routeplane: entry } })}`)
}
