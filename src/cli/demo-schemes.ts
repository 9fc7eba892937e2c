/** `routeplane demo --schemes`: one provider for each way of paying, a few calls to each, and a table of what that came to. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stateDirectory, withVariable } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { ANVIL_MEGABYTES, ensureAnvil } from '../demo/fetch-anvil.ts'
import { startFreeProvider } from '../demo/free-provider.ts'
import { startSchemeMarket, type SchemeMarket } from '../demo/scheme-market.ts'
import { writeSchemeWorld } from '../demo/scheme-world.ts'
import { RouteplaneError } from '../errors.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import { systemClock } from '../lib/clock.ts'
import { addUsd } from '../money.ts'
import type { Routeplane } from '../routeplane.ts'
import type { DemoOptions } from './context.ts'
import { withGateway } from './demo-gateway.ts'
import { money, table } from './output.ts'

const KEY_VARIABLE = 'ROUTEPLANE_DEMO_KEY'
const FREE = 'free'
const CALLS = 5
const MAX_TOKENS = 40
/** How long the chain may take to show the last payment. */
const SETTLE_TRIES = 200
const SETTLE_PAUSE_MS = 50

/**
 * Pays every provider of the market and takes everything down again.
 *
 * @throws RouteplaneError when a call fails or a receipt is not what the chain says: the demo proves, it does not pretend.
 */
export async function runSchemes(options: DemoOptions): Promise<void> {
  const { say, log } = options
  const directory = await mkdtemp(join(tmpdir(), 'routeplane-demo-'))
  const cache = join(stateDirectory(options.environment), 'anvil')
  const anvil = await ensureAnvil(cache, () => say(`Fetching anvil, a local chain, with npm: about ${ANVIL_MEGABYTES} MB, once.`))
  const market = await startSchemeMarket(anvil)
  const free = await startFreeProvider(FREE)
  try {
    const file = await writeSchemeWorld(directory, { market, free, keyVariable: KEY_VARIABLE })
    const environment = withVariable(options.environment, KEY_VARIABLE, market.base.payer.privateKey)
    const config = await loadConfig({ file, environment })
    say(`One provider for each way of paying, ${CALLS} calls to each, on play money:`)
    await withGateway(config, log, false, (routeplane, url) => compare(routeplane, url, market, options))
  } finally {
    await free.stop()
    await market.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function compare(routeplane: Routeplane, url: string, { stalls }: SchemeMarket, { say }: DemoOptions): Promise<void> {
  const base = median(await callMany(url, FREE))
  const rows: string[][] = [['none, a provider that asks for nothing', String(CALLS), '0', money(addUsd()), '–', '0']]
  for (const stall of stalls) {
    const times = await callMany(url, stall.id)
    const receipts = await settledReceipts(routeplane, stall.id)
    const verified = await verifiedOf(routeplane, receipts)
    rows.push([
      stall.title,
      String(CALLS),
      String(new Set(receipts.flatMap(({ payment }) => payment?.transaction ?? [])).size),
      money(addUsd(...receipts.filter(isForCall).flatMap(({ payment }) => payment?.settledUsd ?? []))),
      `${verified} of ${receipts.length}`,
      String(Math.round(median(times) - base)),
    ])
    if (verified !== receipts.length) throw new RouteplaneError('internal', `a receipt of ${stall.id} is not what the chain says`)
  }
  say(table(['scheme', 'calls', 'chain transactions', 'paid', 'receipts verified', 'added ms'], rows))
  say('\nPaid is what the calls cost; a channel also holds a deposit, which its one transaction brought and which comes back.')
  say('Added is the median of a call less that of the unpaid one: both sides, the settlement and the local chain included.')
}

const fromStore = ['batch-settlement', 'tempo/session']

/** A channel's deposit is money in store, not the price of a call. */
function isForCall({ payment }: AttemptRow): boolean {
  return !fromStore.includes(payment?.scheme ?? '') || payment?.proof === 'voucher'
}

/** Milliseconds of each call; the first, which opens connections, is not among them. */
async function callMany(url: string, provider: string): Promise<readonly number[]> {
  const times: number[] = []
  for (let call = 0; call < CALLS; call++) {
    const startedAt = systemClock.monotonic()
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: `${provider}:demo/echo`,
        max_tokens: MAX_TOKENS,
        messages: [{ role: 'user', content: `call ${call} of ${provider}` }],
      }),
    })
    const text = await response.text()
    if (!response.ok) throw new RouteplaneError('internal', `${provider} was not paid: ${text.slice(0, 500)}`)
    times.push(systemClock.monotonic() - startedAt)
  }
  return times.slice(1)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

async function settledReceipts(routeplane: Routeplane, provider: string): Promise<readonly AttemptRow[]> {
  for (let tries = 0; ; tries++) {
    const all = await routeplane.receipts.list({ limit: 1_000 })
    const own = all.filter((row) => row.provider === provider && row.state !== 'released')
    if (own.every(({ state }) => state === 'settled')) return own
    if (tries === SETTLE_TRIES) throw new RouteplaneError('internal', `a payment to ${provider} is still open`)
    await systemClock.sleep(SETTLE_PAUSE_MS)
  }
}

async function verifiedOf(routeplane: Routeplane, receipts: readonly AttemptRow[]): Promise<number> {
  const verdicts = await Promise.all(receipts.map(({ id }) => routeplane.receipts.verify(id)))
  return verdicts.filter(({ verified }) => verified).length
}
