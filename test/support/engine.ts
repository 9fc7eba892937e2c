/** An engine against a demo network, configured by files as a user would write them, with a wallet and books of its own. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { privateKeyToAddress } from 'viem/accounts'
import { expect, onTestFinished } from 'vitest'
import type { TransferEvidence } from '../../src/chain/chain.ts'
import { foldParts } from '../../src/completion/fold.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { DemoNetwork } from '../../src/demo/network.ts'
import { serveHttp } from '../../src/http/serve.ts'
import type { AttemptRow } from '../../src/ledger/entry.ts'
import type { EventVerdict } from '../../src/ledger/ledger.ts'
import { openStates } from '../../src/ledger/rules.ts'
import { systemClock, type Clock } from '../../src/lib/clock.ts'
import { createLog, Secret } from '../../src/lib/log.ts'
import { createMcpHttp } from '../../src/mcp/http.ts'
import type { Atomic } from '../../src/money.ts'
import { protocols } from '../../src/protocol/index.ts'
import { createRouteplane, type Routeplane } from '../../src/routeplane.ts'
import { randomHex } from './chain.ts'
import { readLedger } from './read-ledger.ts'

/** What a manifest says of a seller; a {@link import('../../src/demo/paid-provider.ts').PaidProvider} is one. */
export type SellerEntry = {
  readonly id: string
  readonly baseUrl: string
  readonly modelsUrl: string
  readonly payTo: string
  /** Written under `x402:`, besides the networks. */
  readonly schemes?: readonly string[]
  /** How it is paid; `x402` unless given. */
  readonly mode?: 'x402' | 'mpp'
}

/** What a world needs of the network its wallet pays on. */
export type WorldNetwork = Pick<DemoNetwork, 'network' | 'rpcUrl' | 'asset' | 'anvil' | 'chain' | 'mint'>

export type WorldOptions = {
  readonly sellers: readonly SellerEntry[]
  readonly perRequestUsd?: string
  readonly perDayUsd?: string
  readonly onUnknown?: 'wait' | 'fail' | 'allow_double'
  /** The block `payment.channels`, as it is written. */
  readonly channels?: string
  /** Base units in the wallet at the beginning; 10 test dollars unless given. */
  readonly funds?: Atomic
  /** More lines of `routeplane.yaml`. */
  readonly lines?: readonly string[]
  /** Instead of `skip_auth: true` and of a wallet whose key is in the environment. */
  readonly auth?: string
  readonly wallet?: string
}

/** A directory with config, registry and ledger, and a wallet that nobody else pays from. */
export type World = {
  readonly network: WorldNetwork
  readonly directory: string
  readonly file: string
  readonly ledgerPath: string
  readonly payer: `0x${string}`
  readonly key: Secret
  /** The variables a process needs that is to run in this world. */
  readonly variables: Readonly<Record<string, string>>
}

const KEY_VARIABLE = 'TEST_WALLET_KEY'

/** Writes the files and funds the wallet; everything is removed when the test has finished. */
export async function writeWorld(network: WorldNetwork, options: WorldOptions): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'routeplane-world-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const key = new Secret(randomHex(32))
  const payer = privateKeyToAddress(key.reveal() as `0x${string}`)
  await network.mint(payer, options.funds ?? (10_000_000n as Atomic))
  await mkdir(join(directory, 'registry', 'providers'), { recursive: true })
  for (const seller of options.sellers) {
    await writeFile(join(directory, 'registry', 'providers', `${seller.id}.yaml`), manifestOf(seller, network))
  }
  const file = join(directory, 'routeplane.yaml')
  await writeFile(file, configOf(network, options))
  return {
    network,
    directory,
    file,
    ledgerPath: join(directory, 'ledger.db'),
    payer,
    key,
    variables: { [KEY_VARIABLE]: key.reveal(), ROUTEPLANE_HOME: join(directory, 'home') },
  }
}

function manifestOf(seller: SellerEntry, network: WorldNetwork): string {
  const mode = seller.mode ?? 'x402'
  return [
    `id: ${seller.id}`,
    `name: ${seller.id}`,
    `endpoint: ${seller.baseUrl}`,
    'protocol: openai',
    `models_url: ${seller.modelsUrl}`,
    'payment:',
    `  modes: [${mode}]`,
    `  x402_address: "${seller.payTo}"`,
    `  ${mode}: { networks: ["${network.network}"]${seller.schemes === undefined ? '' : `, schemes: [${seller.schemes.join(', ')}]`} }`,
    '',
  ].join('\n')
}

function configOf(network: WorldNetwork, options: WorldOptions): string {
  const rpc = `rpc: { "${network.network}": "${network.rpcUrl}" }`
  return [
    options.auth ?? 'skip_auth: true',
    'registry: { path: ./registry }',
    'upstream: { allow_loopback: true }',
    `budget: { per_request_usd: "${options.perRequestUsd ?? '0.02'}", per_day_usd: "${options.perDayUsd ?? '1'}" }`,
    `payment: { on_unknown: ${options.onUnknown ?? 'fail'}${options.channels === undefined ? '' : `, channels: ${options.channels}`} }`,
    `wallet: { network: testnet, ${options.wallet ?? `key_env: ${KEY_VARIABLE}`}, ${rpc} }`,
    'ledger: { path: ./ledger.db }',
    ...(options.lines ?? []),
    '',
  ].join('\n')
}

/** Gives the same world, with top-level lines of its config replaced or added by their key. */
export async function rewriteConfig(world: World, lines: readonly string[]): Promise<World> {
  const keyOf = (line: string) => line.slice(0, line.indexOf(':'))
  const replaced = new Set(lines.map(keyOf))
  const kept = (await readFile(world.file, 'utf8')).split('\n').filter((line) => line === '' || !replaced.has(keyOf(line)))
  await writeFile(world.file, [...lines, ...kept].join('\n'))
  return world
}

export type TestEngine = {
  readonly routeplane: Routeplane
  /** Everything the engine has logged, one JSON text a line. */
  readonly logged: readonly string[]
  /** Opens the engine to HTTP callers. @returns the address, without a trailing slash. */
  serve(): Promise<string>
  close(): Promise<void>
}

/** Opens an engine on a world's files; it is closed when the test has finished, if not before. */
export async function openEngine(world: Pick<World, 'file' | 'directory' | 'variables'>, clock: Clock = systemClock): Promise<TestEngine> {
  const environment = createEnvironment(world.variables, world.directory, world.directory)
  const config = await loadConfig({ file: world.file, environment })
  const logged: string[] = []
  const log = createLog('debug', (line) => logged.push(line), clock.now)
  const routeplane = await createRouteplane(config, { log, clock, version: 'test' })
  const closers: (() => Promise<void>)[] = [() => routeplane.close()]
  let closing: Promise<void> | undefined
  const close = () => (closing ??= closers.toReversed().reduce((before, next) => before.then(next), Promise.resolve()))
  onTestFinished(close)
  await routeplane.ready()
  return {
    routeplane,
    logged,
    async serve() {
      const mcp = async () => createMcpHttp(routeplane, { log, clock, version: 'test', drainMs: 1_000 })
      const options = { host: '127.0.0.1', port: 0, skipAuth: true, drainMs: 1_000, log, protocols, foldParts, version: 'test', mcp }
      const server = await serveHttp(routeplane, options)
      closers.push(() => server.close())
      return server.url
    },
    close,
  }
}

/** A question that the demo's sellers answer, at whoever asks least. */
export const question = {
  model: 'demo/echo:cost',
  messages: [{ role: 'user', content: 'how are you today?' }],
  max_tokens: 20,
} as const

export type Reply = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** What the error says of itself; `undefined` for an answer. */
  readonly error: { readonly code: string; readonly money: string; readonly message: string } | undefined
}

/** Asks a gateway over HTTP and reads the answer to its end. */
export async function ask(url: string, body: object = question, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, error: errorIn(text) }
}

function errorIn(text: string): Reply['error'] {
  const event = text.split('\n').findLast((line) => line.startsWith('data: {'))
  const json = event === undefined ? text : event.slice('data: '.length)
  return (JSON.parse(json) as { error?: Reply['error'] }).error
}

/** What the ledger and the chain say of a wallet, side by side. */
export type Books = {
  readonly rows: readonly AttemptRow[]
  /** Rows in which somebody must still act. */
  readonly open: readonly AttemptRow[]
  /** Everything the wallet has ever paid, by the token's own logs. */
  readonly transfers: readonly TransferEvidence[]
  readonly journal: EventVerdict
}

/** Reads the ledger as another process would, and the chain from its first block. */
export function readBooks(world: Pick<World, 'network' | 'ledgerPath' | 'payer'>): Promise<Books> {
  return readLedger(world, async ({ attempts, verifyEvents }) => {
    const rows = await attempts.list({})
    const { chain, asset } = world.network
    const { number: toBlock } = await chain.latestBlock()
    const transfers = await chain.transfersFrom({ asset: asset.address, payer: world.payer, fromBlock: 0n, toBlock })
    return { rows, open: rows.filter(({ state }) => openStates.includes(state)), transfers, journal: await verifyEvents() }
  })
}

/** Waits until no attempt is open any more. @throws Error after `seconds`. */
export async function closedBooks(world: World, seconds = 20): Promise<Books> {
  for (let tries = 0; ; tries++) {
    const books = await readBooks(world)
    if (books.open.length === 0) return books
    if (tries >= seconds * 10)
      throw new Error(`still open: ${books.open.map(({ id, state, reason }) => `${id} ${state} ${reason}`).join(', ')}`)
    await sleep(100)
  }
}

/** What left the wallet with a transfer, the network's fee included. */
function leftBy({ amount, fee = 0n as Atomic }: TransferEvidence): bigint {
  return amount + fee
}

/** The ledger equals the chain, payment by payment and to the unit, and its journal is whole. */
export function expectBalanced({ rows, transfers, journal }: Books): void {
  // A voucher is paid out of a channel: what filled that has an attempt and a transfer of its own.
  const settled = rows.filter(({ state }) => state === 'settled').flatMap(({ payment }) => (payment?.proof === 'voucher' ? [] : [payment]))
  const placeOf = ({ transaction, logIndex }: { readonly transaction?: string; readonly logIndex?: number }) => `${transaction} ${logIndex}`
  const nonces = new Map(settled.map((payment) => [placeOf(payment ?? {}), payment?.nonce]))
  const inLedger = settled.map((payment) => `${placeOf(payment ?? {})} ${payment?.amountSettled} ${payment?.nonce}`)
  // Not every token logs whose payment a transfer is; where it does, the ledger must say the same.
  const nonceOf = (transfer: TransferEvidence) => transfer.nonce ?? nonces.get(placeOf(transfer))
  const onChain = transfers.map((transfer) => `${placeOf(transfer)} ${leftBy(transfer)} ${nonceOf(transfer)}`)
  expect(inLedger.toSorted()).toEqual(onChain.toSorted())
  expect(new Set(onChain).size).toBe(onChain.length)
  expect(journal).toEqual({ ok: true })
}

/** Base units the wallet has paid. */
export function paidOf({ transfers }: Books): bigint {
  return transfers.reduce((sum, transfer) => sum + leftBy(transfer), 0n)
}

/** Nothing was signed: every hold was given back, no intent was ever written, and the chain is as it was. */
export function expectUntouched({ rows, transfers }: Books): void {
  expect(rows.map(({ state, payment }) => [state, payment])).toEqual(rows.map(() => ['released', undefined]))
  expect(transfers).toEqual([])
}

/** Lets the chain's clock run ahead, so that what may be cashed no longer can. */
export async function passTime(network: Pick<WorldNetwork, 'anvil'>, seconds: number): Promise<void> {
  await network.anvil.rpc('evm_increaseTime', [seconds])
  await network.anvil.rpc('evm_mine')
}
