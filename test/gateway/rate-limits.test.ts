/** A provider that is over its limit: the caller is told for how long, then and until it is over, and nobody asks it meanwhile. */
import { expect, it } from 'vitest'
import { retryAfterOf } from '../../src/lib/http-call.ts'
import { failed, open, said, source, stillClock } from '../promises/world.ts'
import { verifies } from '../support/verifies.ts'

const body = { model: 'mine:m', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }

type Told = readonly [status: number, code: string | undefined, retryAfter: string | null, shouldRetry: string | null]

async function limited(header: Readonly<Record<string, string>>) {
  const clock = stillClock()
  let isLimited = true
  const upstream = await source(() => (isLimited ? failed(429, header) : said('hello')))
  const { url } = await open({ config: { providers: { mine: { api_base: `${upstream.url}/v1`, api_key: 'k' } } }, clock })
  const send = async (): Promise<Told> => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const { error } = (await response.json()) as { error?: { code?: string } }
    return [response.status, error?.code, response.headers.get('retry-after'), response.headers.get('x-should-retry')]
  }
  return { clock, upstream, send, recover: () => (isLimited = false) }
}

it('is a 429 with the time that is left, until the time is over', async () => {
  verifies('listing.error.429')
  const { clock, upstream, send, recover } = await limited({ 'retry-after': '20' })
  expect(await send()).toEqual([429, 'upstream_rate_limited', '20', null])
  recover()
  expect(await send()).toEqual([429, 'upstream_rate_limited', '20', null])
  clock.set(clock.now() + 12_500)
  expect(await send()).toEqual([429, 'upstream_rate_limited', '8', null])
  expect(upstream.requests).toHaveLength(1)
  clock.set(clock.now() + 7_500)
  expect(await send()).toEqual([200, undefined, null, null])
})

it.each([
  [{ 'retry-after': '7' }, 7_000],
  [{ 'retry-after': '1.5' }, 1_500],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': '2', 'retry-after-ms': '1250' }, 1_250],
  [{ 'retry-after': 'Fri, 27 Nov 2026 05:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Fri, 27 Nov 2026 04:00:00 GMT' }, 0],
  [{ 'retry-after': '-1' }, undefined],
  [{ 'retry-after': '1e3' }, undefined],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after': 'soon GMT' }, undefined],
  [{ 'retry-after': '999999999' }, undefined],
  [{}, undefined],
])('%j asks to wait %s ms', (headers, wait) => {
  expect(retryAfterOf(headers, Date.parse('2026-11-27T05:00:00Z'))).toBe(wait)
})
