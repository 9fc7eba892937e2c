/** How traffic leaves a provider with each kind of fault and comes back: `npx tsx bench/faults.ts [fault…]`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEnvironment } from '../src/config/environment.ts'
import { configFrom } from '../src/config/load.ts'
import { createRouteplane, type Routeplane } from '../src/routeplane.ts'
import {
  createPlayedTime,
  faults,
  sendTraffic,
  shareOf,
  startFaultyProvider,
  type FaultId,
  type Sent,
} from '../test/support/faulty-provider.ts'
import { runBundled } from './bundled.ts'
import { wireCall } from './wire-call.ts'

const PER_SECOND = 10
const TROUBLE_MS = 20_000
const WELL_AGAIN_MS = 80_000
const SECONDS = 200
const STEP_MS = 5_000

if (!runBundled(import.meta.url)) {
  const wanted = process.argv.slice(2)
  const marks = Array.from({ length: (SECONDS * 1_000) / STEP_MS }, (_, at) => mark(at * STEP_MS))
  process.stdout.write(`${'share of the cheaper provider'.padEnd(36)}${marks.join('')}  left  back\n`)
  for (const { id } of faults) {
    if (wanted.length > 0 && !wanted.includes(id)) continue
    for (const share of [1, 0.4]) await show(id, share)
  }
}

/** Where the trouble begins and ends. */
function mark(ms: number): string {
  return ms === TROUBLE_MS ? '[' : ms === WELL_AGAIN_MS ? ']' : '.'
}

async function show(fault: FaultId, share: number): Promise<void> {
  const sent = await trafficThrough(fault, share)
  const shares = Array.from({ length: (SECONDS * 1_000) / STEP_MS }, (_, at) => shareOf(sent, 'cheap', at * STEP_MS, (at + 1) * STEP_MS))
  const bars = shares.map((each) => ' ▁▂▃▄▅▆▇█'.charAt(Math.round(each * 8))).join('')
  const answered = sent.filter(({ provider }) => provider !== undefined).length
  const after = (fromMs: number, is: (share: number) => boolean) => {
    for (let at = fromMs; at < SECONDS * 1_000; at += 1_000)
      if (is(shareOf(sent, 'cheap', at, at + 3_000))) return `${(at - fromMs) / 1_000} s`
    return '–'
  }
  const [left, back] = [after(TROUBLE_MS, (each) => each < 0.2), after(WELL_AGAIN_MS, (each) => each > 0.8)]
  const label = `${fault}, ${share * 100} % of answers`
  process.stdout.write(
    `${label.padEnd(36)}${bars}${left.padStart(6)}${back.padStart(6)}   ${sent.length - answered} of ${sent.length} unanswered\n`,
  )
}

async function trafficThrough(fault: FaultId, share: number): Promise<readonly Sent[]> {
  const time = createPlayedTime()
  const folder = mkdtempSync(join(tmpdir(), 'routeplane-bench-faults-'))
  const phases = [{ fromMs: TROUBLE_MS, fault, share }, { fromMs: WELL_AGAIN_MS }]
  const [cheap, dear] = [await startFaultyProvider(time, { seed: 1, phases }), await startFaultyProvider(time, { seed: 2, phases: [] })]
  const block = (url: string, price: string) => ({
    api_base: `${url}/v1`,
    models: [{ id: 'maker/m', pricing: { prompt: price, completion: price }, max_output_length: 100 }],
  })
  // A stall is waited for in real time, in which nothing else goes on here: it alone needs an end of its own.
  const patience = fault === 'stall' ? { timeouts: { first_byte_ms: 300 } } : {}
  const config = {
    providers: { cheap: { ...block(cheap.url, '0.000001'), ...patience }, dear: block(dear.url, '0.0000011') },
    upstream: { allow_loopback: true },
    ledger: { path: join(folder, 'ledger.db') },
  }
  const environment = createEnvironment({ ROUTEPLANE_HOME: folder }, folder, folder)
  const routeplane = await createRouteplane(configFrom(config, environment), { clock: time.clock })
  let count = 0
  try {
    return await sendTraffic(time, () => answeredBy(routeplane, `req_${count++}`), { perSecond: PER_SECOND, seconds: SECONDS })
  } finally {
    await routeplane.close()
    await cheap.close()
    await dear.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @returns who answered, however the answer ended; `undefined` when nobody began one. */
async function answeredBy(routeplane: Routeplane, id: string): Promise<string | undefined> {
  const begun = await routeplane.complete(wireCall(id, 'maker/m', true)).catch(() => undefined)
  if (begun === undefined) return undefined
  const { answer, head, closed } = begun
  // A cut answer ends with an error; who gave it is what counts here.
  if (answer.lane === 'native' && !(answer.body instanceof Uint8Array)) await readThrough(answer.body).catch(() => {})
  await closed
  return head.provider
}

async function readThrough(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}
