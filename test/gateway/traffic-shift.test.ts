/** Traffic leaves a provider that gets worse, and comes back within a minute of its being well again: ten requests a second of played time. */
import { expect, it, onTestFinished } from 'vitest'
import { open } from '../promises/world.ts'
import { ask } from '../support/engine.ts'
import { createPlayedTime, sendTraffic, shareOf, startFaultyProvider, type FaultId, type Sent } from '../support/faulty-provider.ts'
import { verifies } from '../support/verifies.ts'

const TROUBLE_MS = 5_000
const WELL_AGAIN_MS = 20_000
const MINUTE_MS = 60_000

/** Traffic before, during and after the trouble of the provider that is preferred otherwise, because it is cheaper; ends once it is back. */
async function trafficThrough(fault: FaultId): Promise<readonly Sent[]> {
  const time = createPlayedTime()
  const phases = [{ fromMs: TROUBLE_MS, fault }, { fromMs: WELL_AGAIN_MS }]
  const [cheap, dear] = [await startFaultyProvider(time, { seed: 1, phases }), await startFaultyProvider(time, { seed: 2, phases: [] })]
  onTestFinished(async () => {
    await cheap.close()
    await dear.close()
  })
  const block = (url: string, price: string) => ({
    api_base: `${url}/v1`,
    models: [{ id: 'maker/m', pricing: { prompt: price, completion: price }, max_output_length: 100 }],
  })
  const { url } = await open({
    config: {
      providers: { cheap: block(cheap.url, '0.000001'), dear: block(dear.url, '0.0000011') },
      // Ids are drawn anew each run: so many are tried that chance has no say.
      routing: { exploration_share: '0.1' },
    },
    clock: time.clock,
  })
  const body = { model: 'maker/m', messages: [{ role: 'user', content: 'hello' }], max_tokens: 5, stream: true }
  const send = async () => (await ask(url, body)).headers.get('x-routeplane-provider') ?? undefined
  const isBack = (sent: readonly Sent[]) => {
    const latest = sent.slice(-30)
    return latest.every(({ atMs }) => atMs > WELL_AGAIN_MS) && latest.filter(({ provider }) => provider === 'cheap').length > 20
  }
  return sendTraffic(time, send, { perSecond: 10, seconds: (WELL_AGAIN_MS + MINUTE_MS) / 1_000, isDone: isBack })
}

// The other kinds are measured by bench/faults.ts.
it.each<FaultId>(['server-error', 'rate-limit', 'cut', 'slow-with-comments'])(
  'leaves the cheaper of two for a %s, and comes back',
  async (fault) => {
    verifies('register.routing.shift')
    const sent = await trafficThrough(fault)
    expect(shareOf(sent, 'cheap', 1_000, TROUBLE_MS)).toBeGreaterThan(0.6)
    expect(shareOf(sent, 'cheap', WELL_AGAIN_MS - 5_000, WELL_AGAIN_MS)).toBeLessThan(0.2)
    const last = sent.at(-1)?.atMs ?? 0
    expect(shareOf(sent, 'cheap', last - 2_900, last + 1)).toBeGreaterThan(0.6)
    expect(last).toBeLessThan(WELL_AGAIN_MS + MINUTE_MS - 100)
  },
)
