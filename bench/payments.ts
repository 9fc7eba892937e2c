/** What each way of paying adds to a provider that asks for nothing: `npx tsx bench/payments.ts`. */
import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { startFreeProvider } from '../src/demo/free-provider.ts'
import type { Rpc } from '../src/demo/rpc.ts'
import { startSchemeMarket, type SchemeMarket, type Stall } from '../src/demo/scheme-market.ts'
import { writeSchemeWorld } from '../src/demo/scheme-world.ts'
import { median } from './cold-start.ts'
import { freePort, startServer, stop } from './process.ts'

const usage = `npx tsx bench/payments.ts [--calls 100] [--rounds 5]
  --calls N    calls to each provider, half of them streams
  --rounds N   rounds, each with every provider, starting at another one
`
const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const callsARound = Math.max(1, Math.round(Number(values.calls) / rounds / 2))
const program = resolve(fileURLToPath(import.meta.url), '../../dist/bin/routeplane.js')
const KEY_VARIABLE = 'BENCH_WALLET_KEY'
const FREE = 'free'

type Kind = 'json' | 'stream'
type Figures = Map<string, { times: Record<Kind, number[]>; calls: number; transactions: number; gas: number }>
const noTimes = (): Record<Kind, number[]> => ({ json: [], stream: [] })

/** Milliseconds until the whole answer is there, or the first content of a stream. @throws Error for anything but a 200. */
async function timeCall(url: string, provider: string, kind: Kind): Promise<number> {
  const startedAt = process.hrtime.bigint()
  const messages = [{ role: 'user', content: 'How are you?' }]
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: `${provider}:demo/echo`, max_tokens: 40, stream: kind === 'stream', messages }),
  })
  if (!response.ok || response.body === null) throw new Error(`${provider} answered ${response.status}: ${await response.text()}`)
  const decoder = new TextDecoder()
  let text = ''
  let heardAt: bigint | undefined
  for await (const piece of response.body) {
    text += decoder.decode(piece as Uint8Array, { stream: true })
    if (kind === 'stream' && text.includes('"content":"')) heardAt ??= process.hrtime.bigint()
  }
  return Number((heardAt ?? process.hrtime.bigint()) - startedAt) / 1e6
}

/** What stands in the blocks after `from`. */
async function chainCost(rpc: Rpc, from: number): Promise<{ readonly transactions: number; readonly gas: number }> {
  let [transactions, gas] = [0, 0]
  const last = await height(rpc)
  for (let block = from + 1; block <= last; block++) {
    const receipts = (await rpc('eth_getBlockReceipts', [`0x${block.toString(16)}`])) as readonly { gasUsed: string }[] | null
    transactions += receipts?.length ?? 0
    gas += (receipts ?? []).reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0)
  }
  return { transactions, gas }
}

const height = async (rpc: Rpc) => Number(await rpc('eth_blockNumber'))

/** Out of a store: each call is paid with a voucher, and no block tells of it. */
const fromStore = ['batch-settlement', 'tempo/session']

/** Waits until every payment to a provider that the chain will show has been shown, so that the next one's blocks are its own. */
async function allSettled(url: string, provider: string, scheme: string | undefined): Promise<void> {
  if (scheme === undefined || fromStore.includes(scheme)) return
  for (let tries = 0; tries < 400; tries++) {
    const response = await fetch(`${url}/v1/receipts?limit=200`)
    if (!response.ok) throw new Error(`the receipts could not be read: ${await response.text()}`)
    const { data } = (await response.json()) as { data: readonly { provider: string; state: string }[] }
    if (data.every((row) => row.provider !== provider || !['held', 'intent', 'unknown'].includes(row.state))) return
    await sleep(25)
  }
  throw new Error(`a payment to ${provider} is still open`)
}

type Stage = { readonly url: string; readonly market: SchemeMarket; readonly figures: Figures }

async function measure({ url, market, figures }: Stage, stall: Stall | undefined, pairs: number): Promise<void> {
  const id = stall?.id ?? FREE
  const own = figures.get(id) ?? { times: noTimes(), calls: 0, transactions: 0, gas: 0 }
  figures.set(id, own)
  const { rpc } = (stall?.network === market.tempo.network ? market.tempo : market.base).anvil
  const before = await height(rpc)
  for (let pair = 0; pair < pairs; pair++) {
    for (const kind of ['json', 'stream'] as const) own.times[kind].push(await timeCall(url, id, kind))
  }
  own.calls += 2 * pairs
  await allSettled(url, id, stall?.scheme)
  const cost = await chainCost(rpc, before)
  own.transactions += cost.transactions
  own.gas += cost.gas
}

/** Everything in channels comes back: the transactions of that belong to what a call costs. */
async function closeChannels(home: string, config: string, env: NodeJS.ProcessEnv, { market, figures }: Stage): Promise<void> {
  const routeplane = async (...args: readonly string[]) =>
    promisify(execFile)(process.execPath, [program, ...args, '-c', config, '--format', 'json'], { cwd: home, env })
  const list = JSON.parse((await routeplane('channels', 'list')).stdout) as { channels: readonly { id: string; provider: string }[] }
  for (const { id, provider } of list.channels) {
    const stall = market.stalls.find((one) => one.id === provider)
    const own = figures.get(provider)
    const { rpc } = (stall?.network === market.tempo.network ? market.tempo : market.base).anvil
    const before = await height(rpc)
    await routeplane('channels', 'close', id)
    const cost = await chainCost(rpc, before)
    if (own !== undefined) Object.assign(own, { transactions: own.transactions + cost.transactions, gas: own.gas + cost.gas })
  }
}

function table({ market, figures }: Stage): string {
  const free = figures.get(FREE)?.times
  const base = { json: median(free?.json ?? []), stream: median(free?.stream ?? []) }
  const lines = [
    '| | calls | transactions | gas a call | JSON, ms | added | first token, ms | added |',
    '|---|---|---|---|---|---|---|---|',
  ]
  for (const { id, title } of [{ id: FREE, title: 'none: the user’s own key, or a provider that asks for nothing' }, ...market.stalls]) {
    const own = figures.get(id)
    if (own === undefined) continue
    const cells = (['json', 'stream'] as const).flatMap((kind) => {
      const ms = median(own.times[kind])
      return [ms.toFixed(1), id === FREE ? '–' : (ms - base[kind]).toFixed(1)]
    })
    lines.push(`| ${[title, own.calls, own.transactions, Math.round(own.gas / own.calls).toLocaleString('en'), ...cells].join(' | ')} |`)
  }
  return lines.join('\n')
}

async function main(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'routeplane-bench-payments-'))
  const market = await startSchemeMarket()
  const free = await startFreeProvider(FREE)
  const port = await freePort()
  const config = await writeSchemeWorld(home, { market, free, keyVariable: KEY_VARIABLE, port })
  const env = { ...process.env, HOME: home, ROUTEPLANE_HOME: home, [KEY_VARIABLE]: market.base.payer.privateKey.reveal() }
  const gateway = await startServer('routeplane', [process.execPath, program, 'serve', '-c', config], port, { cwd: home, env })
  const stage = { url: `http://127.0.0.1:${port}`, market, figures: new Map() } as Stage
  const all = [undefined, ...market.stalls]
  try {
    // Connections are opened and code is warmed before a time counts; what stands on the chain counts from the first call.
    for (const stall of all) await measure(stage, stall, 1)
    for (const own of stage.figures.values()) own.times = noTimes()
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < all.length; at++) {
        await measure(stage, all[(at + round) % all.length], callsARound)
      }
    }
    await closeChannels(home, config, env, stage)
  } finally {
    await stop(gateway)
    await free.stop()
    await market.stop()
  }
  const machine = `Node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown CPU'} × ${availableParallelism()}, ${rounds} rounds`
  process.stdout.write(
    `${machine}\nmedians; the local chain mines at once, and seller, facilitator and chain share the machine\n\n${table(stage)}\n`,
  )
}

if (values.help) process.stdout.write(usage)
else await main()
