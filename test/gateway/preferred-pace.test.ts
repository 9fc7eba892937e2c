/** `preferred_max_latency` and `preferred_min_throughput` put who is measured to be slower behind everybody else, and exclude nobody. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { open } from '../promises/world.ts'
import { ask } from '../support/engine.ts'
import { createPlayedTime, sendTraffic, startFaultyProvider } from '../support/faulty-provider.ts'

const block = (url: string, price: string) => ({
  api_base: `${url}/v1`,
  models: [{ id: 'maker/m', pricing: { prompt: price, completion: price }, max_output_length: 100 }],
})

/** A cheap provider that takes two seconds and a dear one that takes a fifth of one, both measured. */
async function measured() {
  const time = createPlayedTime()
  const slow = await startFaultyProvider(time, { seed: 1, phases: [{ fromMs: 0, fault: 'latency' }] })
  const fast = await startFaultyProvider(time, { seed: 2, phases: [] })
  onTestFinished(async () => {
    await slow.close()
    await fast.close()
  })
  const providers = { slow: block(slow.url, '0.000001'), fast: block(fast.url, '0.000009') }
  const { url } = await open({ config: { providers }, clock: time.clock })
  const send = async (model: string, provider?: object) => {
    const body = { model, messages: [{ role: 'user', content: 'hello' }], max_tokens: 5, stream: true, ...(provider ? { provider } : {}) }
    const reply = await ask(url, body)
    return reply.headers.get('x-routeplane-provider') ?? String(reply.status)
  }
  const once = async (model: string, provider?: object) =>
    (await sendTraffic(time, () => send(model, provider), { perSecond: 1, seconds: 1 }))[0]?.provider
  for (const provider of ['slow', 'fast']) for (let times = 0; times < 3; times++) await once(`${provider}:maker/m`)
  return { once, send }
}

describe('a preferred pace', () => {
  it('puts who is slower behind, on every order, and still asks him when he is all there is', async () => {
    const { once, send } = await measured()
    expect(await once('maker/m:cost')).toBe('slow')
    expect(await once('maker/m:cost', { preferred_max_latency: 1 })).toBe('fast')
    expect(await once('maker/m:cost', { preferred_max_latency: 3 })).toBe('slow')
    expect(await once('maker/m:cost', { preferred_max_latency: { p50: 5, p90: 1 } })).toBe('fast')
    expect(await once('maker/m:cost', { preferred_min_throughput: 10 })).toBe('fast')
    expect(await once('maker/m:cost', { preferred_min_throughput: { p90: 1 } })).toBe('slow')
    expect(await once('maker/m', { preferred_max_latency: 1, only: ['slow'] })).toBe('slow')
    for (const wrong of [0, -1, '1', { p51: 1 }, []]) expect(await send('maker/m', { preferred_max_latency: wrong })).toBe('400')
  })
})
