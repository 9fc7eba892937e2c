/** Health outlives a process and is shared by all that keep one ledger. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ask } from '../support/engine.ts'
import { failed, open, said, source, stillClock } from '../promises/world.ts'

it('leaves alone after a restart whom the process before had ejected', async () => {
  const [bad, good] = [await source(failed(500)), await source(said('good'))]
  const block = (url: string, price: string) => ({
    api_base: `${url}/v1`,
    models: [{ id: 'maker/m', pricing: { prompt: price, completion: price }, max_output_length: 100 }],
  })
  const config = { providers: { bad: block(bad.url, '0.000001'), good: block(good.url, '0.000002') } }
  const body = { model: 'maker/m:cost', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }
  const clock = stillClock()
  const first = await open({ config: { ...config, ledger: { path: './shared.db' } }, clock })
  for (let times = 0; times < 6; times++) expect((await ask(first.url, body)).status).toBe(200)
  expect(bad.requests).toHaveLength(5)
  await first.routeplane.close()

  const shared = { ledger: { path: join(first.directory, 'shared.db') } }
  const second = await open({ config: { ...config, ...shared }, clock })
  expect((await ask(second.url, body)).headers.get('x-routeplane-provider')).toBe('good')
  expect(bad.requests).toHaveLength(5)
  clock.set(clock.now() + 31_000)
  expect((await ask(second.url, body)).status).toBe(200)
  expect((await ask(second.url, body)).status).toBe(200)
  // One probe came to nothing; nobody followed it.
  expect(bad.requests).toHaveLength(6)
})
