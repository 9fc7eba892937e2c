/** `routeplane registry check` against honest and dishonest providers on this machine. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { CheckReport } from '../../src/registry/check/check.ts'
import { startProvider } from '../../examples/become-a-provider/provider.ts'
import { KEY, manifest, MODEL, startListedProvider, type Lies } from '../support/listed-provider.ts'
import type { Upstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'
import { createWorld } from './fake-context.ts'

const running: Upstream[] = []
afterEach(async () => {
  for (const upstream of running.splice(0)) await upstream.close()
})

type Checked = {
  code: number
  error: string
  report: CheckReport
  failed: readonly string[]
  row(id: string): string | undefined
  upstream: Upstream
}

async function check(lies: Lies, options: { args?: readonly string[]; more?: string; key?: string } = {}): Promise<Checked> {
  const upstream = await startListedProvider(lies)
  running.push(upstream)
  const { key = KEY } = options
  const world = createWorld({ variables: key === '' ? {} : { LISTED_API_KEY: key } })
  mkdirSync(join(world.directory, 'providers'))
  writeFileSync(join(world.directory, 'providers/listed.yaml'), manifest(upstream.url, options.more))
  const args = [
    'registry',
    'check',
    'listed',
    '--allow-loopback',
    '--format',
    'json',
    '--samples',
    '2',
    '--load',
    '8',
    ...(options.args ?? []),
  ]
  const { code, out, error } = await world.run(...args)
  const report = (out === '' ? { groups: [] } : JSON.parse(out)) as CheckReport
  const rows = report.groups.flatMap((group) => group.rows)
  return {
    code,
    error,
    report,
    upstream,
    failed: rows.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id),
    row: (id) => {
      const found = rows.find((each) => each.id === id)
      return found === undefined ? undefined : `${found.verdict}: ${found.evidence}`
    },
  }
}

describe('an honest provider', () => {
  it('passes every row that applies to it', async () => {
    verifies(
      'listing.format.openai',
      'listing.format.sse',
      'listing.basic.stable',
      'listing.basic.pricing',
      'listing.parameter.model',
      'listing.parameter.messages',
      'listing.parameter.max_tokens',
      'listing.parameter.temperature',
      'listing.parameter.top_p',
      'listing.parameter.frequency_penalty',
      'listing.parameter.presence_penalty',
      'listing.parameter.stop',
      'listing.parameter.stream',
      'listing.parameter.tools',
      'listing.parameter.response_format',
    )
    verifies(
      'listing.test.basic',
      'listing.test.streaming',
      'listing.test.parameters',
      'listing.response.structure',
      'listing.response.streaming',
      'listing.response.usage',
      'listing.response.finish_reason',
      'listing.quality.latency',
      'listing.quality.ttft',
      'listing.quality.throughput',
      'listing.load.volume',
      'listing.load.latency',
      'listing.load.quality',
      'listing.compat.translation',
    )
    const { code, failed, report, row, upstream } = await check({})
    expect([code, failed]).toEqual([0, []])
    expect(report.counts.pass).toBeGreaterThan(60)
    expect(row('quality.latency')).toMatch(/^pass: p50 \d+ ms, p95 \d+ ms, mean \d+ ms of 2 calls$/)
    expect(row('parameter.temperature')).toBe('pass: took 0 and 2')
    expect(row('parameter.top_k')).toBe('not_applicable: not declared')
    expect(row('streaming.keep_alive')).toBe('pass: 1 comments')
    expect(row('rate.headers')).toBe('pass: x-ratelimit-remaining-requests')
    expect(row('edge.long')).toContain('maximum context length')
    // The whole of it costs what the price list says, and far less than the cap.
    expect(row('price.spent')).toMatch(/^pass: at most \$0\.0\d+ for this check$/)
    expect(upstream.requests.length).toBeLessThan(80)
  })

  it('is the example of sixty lines', async () => {
    verifies('listing.compat.languages')
    const provider = await startProvider({ port: 0 })
    const world = createWorld({ variables: { MY_KEY: 'parrot' } })
    writeFileSync(
      join(world.directory, 'tiny.yaml'),
      `id: tiny\nname: Tiny\nendpoint: ${provider.url}\nmodels_url: ${provider.url}/models\ncontact: a@b.dev\n`,
    )
    const { code, out } = await world.run('registry', 'check', './tiny.yaml', '--allow-loopback', '--key-env', 'MY_KEY')
    provider.close()
    expect([code, out.includes('parrot\n')]).toEqual([0, false])
    expect(out).toContain(', 0 failed, ')
  })
})

describe('a provider that lies or errs', () => {
  const cases: readonly (readonly [string, Lies, readonly string[]])[] = [
    ['serves another model', { servedModel: 'acme/mini' }, ['parameter.model']],
    ['counts nothing', { usage: 'none' }, ['response.usage', 'streaming.usage']],
    ['counts input that was not sent', { usage: 'input' }, ['price.input_count']],
    ['counts output that was not answered', { usage: 'output' }, ['parameter.max_tokens', 'price.output_count']],
    ['adds up wrong', { usage: 'total' }, ['price.total']],
    ['charges more than it declares', { usage: 'cost' }, ['process.pricing_check']],
    ['ignores max_tokens', { ignores: 'max_tokens' }, ['parameter.max_tokens', 'finish.length']],
    ['ignores stop', { ignores: 'stop' }, ['parameter.stop']],
    ['calls no tool', { ignores: 'tools' }, ['finish.tool_calls', 'parameter.tools']],
    ['writes prose for JSON', { ignores: 'json' }, ['parameter.response_format']],
    ['ignores a schema', { ignores: 'schema' }, ['parameter.json_schema']],
    ['takes any key', { ignores: 'key' }, ['error.401']],
    ['cuts long prompts without a word', { ignores: 'context' }, ['edge.long']],
    ['refuses a parameter it declares', { refuses: 'temperature' }, ['parameter.temperature']],
    ['refuses system messages', { refuses: 'system' }, ['capability.system']],
    ['refuses images it declares', { refuses: 'image' }, ['capability.vision_call']],
    [
      'breaks over bad requests',
      { badRequest: { status: 500, body: 'oops' } },
      ['error.400', 'edge.invalid', 'error.json', 'error.status', 'error.message', 'basic.stable'],
    ],
    ['says nothing about what is wrong', { badRequest: { status: 400, body: '{}' } }, ['error.message']],
    ['spoils Unicode', { spoilsUnicode: true }, ['edge.unicode']],
    ['mixes up answers', { mixesAnswers: true }, ['edge.concurrent']],
    ['gives no finish reason', { noFinish: true }, ['finish.stop', 'finish.length']],
    [
      'streams JSON',
      { stream: 'json' },
      ['format.sse', 'response.streaming', 'parameter.stream', 'streaming.chunks', 'streaming.usage', 'quality.ttft', 'quality.throughput'],
    ],
    ['cuts its stream', { stream: 'unfinished' }, ['response.streaming', 'streaming.usage']],
    ['streams in one piece', { stream: 'one-piece' }, ['streaming.chunks']],
    ['streams without usage', { stream: 'no-usage' }, ['streaming.usage']],
    ['polls dearer than its manifest', { document: 'dearer' }, ['document.price']],
    ['has a row without prices', { document: 'bad-row' }, ['document.rows']],
    ['has a word nobody knows', { document: 'strange-field' }, ['document.fields']],
    ['does not list what it sells', { document: 'without-model' }, ['document.listed', 'model.name', 'spec.context', 'spec.max_output']],
    ['has no document', { document: 'broken' }, ['document.fetched', 'model.name', 'spec.context', 'spec.max_output']],
    ['breaks now and then', { breaksEvery: 9 }, ['basic.stable']],
  ]

  it.each(cases)('%s', async (_, lies, expected) => {
    verifies(
      'listing.error.401',
      'listing.error.400',
      'listing.error.status',
      'listing.error.message',
      'listing.test.errors',
      'register.terms.honest_metadata',
    )
    verifies(
      'listing.edge.long',
      'listing.edge.empty',
      'listing.edge.unicode',
      'listing.edge.concurrent',
      'listing.edge.invalid',
      'listing.process.pricing_check',
    )
    const { code, failed } = await check(lies)
    expect(code).toBe(1)
    // One lie is a row or a few, not a landslide: a reviewer must see which. What breaks at random breaks wherever it falls.
    if (lies.breaksEvery === undefined) expect(failed.toSorted()).toEqual(expected.toSorted())
    else expect(failed).toEqual(expect.arrayContaining([...expected]))
  })
})

describe('limits', () => {
  it('are asked beyond the declared number, when that may be done, and a 429 must speak', async () => {
    verifies('listing.error.429', 'listing.test.rate_limits', 'listing.load.limits')
    const limited = await check(
      { limit: { count: 70, body: '{"error":{"message":"slow down"}}' } },
      { more: 'rpm: 60\n', args: ['--load', '80'] },
    )
    expect(limited.row('load.limits')).toMatch(/^pass: \d+ refused beyond 60 a minute$/)
    expect(limited.row('error.429')).toMatch(/^pass: \d+ times: slow down; Retry-After 1$/)
    const silent = await check({ limit: { count: 70, body: '' } }, { more: 'rpm: 60\n', args: ['--load', '80'] })
    expect(silent.failed).toEqual(['error.429'])
  }, 60_000)
})

describe('money and keys', () => {
  it('spends nothing beyond the cap and says what was left out', async () => {
    const { code, row, upstream } = await check({}, { args: ['--max-cost', '0.0005'] })
    expect(code).toBe(0)
    expect(row('test.basic')).toContain('not_checked: it could cost')
    const asked = upstream.requests.filter(({ headers }) => headers.authorization === `Bearer ${KEY}`)
    expect(asked.length).toBeLessThan(40)
  })

  it('needs no key to look, and never shows one', async () => {
    verifies('listing.process.test_key')
    const { row, report, upstream } = await check({}, { key: '' })
    expect(row('test.basic')).toBe('not_checked: no key: set LISTED_API_KEY, or name another variable with --key-env')
    expect(row('error.401')).toContain('pass: status 401')
    expect(upstream.requests.every(({ headers }) => headers.authorization !== `Bearer ${KEY}`)).toBe(true)
    expect(JSON.stringify(report)).not.toContain('wrong-key')
    const shown = await check({})
    expect(JSON.stringify(shown.report)).not.toContain(KEY)
  })

  it('refuses what it cannot do before anything is sent', async () => {
    expect(await check({}, { args: ['--model', 'acme/two'] })).toMatchObject({
      code: 2,
      error: expect.stringContaining('has no model') as string,
    })
    expect(await check({}, { args: ['--key-env', 'NOT_THERE'] })).toMatchObject({
      code: 2,
      error: expect.stringContaining('NOT_THERE is not set') as string,
    })
    expect(await check({}, { args: ['--max-cost', 'much'] })).toMatchObject({ code: 2 })
    expect(await check({}, { args: ['--samples', '0'] })).toMatchObject({ code: 2 })
    const world = createWorld()
    writeFileSync(join(world.directory, 'x.yaml'), 'id: x\nname: X\nendpoint: http://127.0.0.1:1\n')
    expect(await world.run('registry', 'check', 'x.yaml')).toMatchObject({
      code: 2,
      error: expect.stringContaining('this machine itself') as string,
    })
    expect(await world.run('registry', 'check', 'y.yaml')).toMatchObject({
      code: 2,
      error: expect.stringContaining('cannot be read') as string,
    })
  })
})

it('is written for a pull request without a word of the provider breaking out', async () => {
  verifies('register.flow.review')
  const upstream = await startListedProvider({
    badRequest: { status: 400, body: '{"error":{"message":"<script> | @everyone\\n\\u001b[31m"}}' },
  })
  running.push(upstream)
  const world = createWorld({ variables: { LISTED_API_KEY: KEY } })
  writeFileSync(join(world.directory, 'listed.yaml'), manifest(upstream.url))
  const { out } = await world.run('registry', 'check', 'listed.yaml', '--allow-loopback', '--format', 'markdown', '--model', MODEL)
  expect(out).toContain('## Provider check: listed, model `acme/one`')
  expect(out).toContain('\\<script\\> \\| \\@everyone')
  expect(out).not.toContain('\u001b')
  expect(out).toContain('| ✅ | `test.basic` |')
})
