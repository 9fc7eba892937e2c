/** The documentation does what it says: its examples run against a real engine, and its tables list what the code has. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { answerStatus, errorTable, RouteplaneError, type ErrorCode } from '../../src/errors.ts'
import { readYaml } from '../../src/lib/yaml.ts'
import { protocols } from '../../src/protocol/index.ts'
import { extensionFields } from '../../src/protocol/extensions.ts'
import { parseManifest } from '../../src/registry/manifest.ts'
import { readModelsDocument } from '../../src/registry/models-document.ts'
import { root } from '../support/sources.ts'
import { verifies } from '../support/verifies.ts'
import { sayInAnyWire } from './any-wire.ts'
import { open, source } from './world.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const [gateway, providers, readme] = [read('docs/gateway.md'), read('docs/providers.md'), read('README.md')]

/** The fenced blocks of one language. */
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, code = '']) => code)

/** The first cells of the table under a heading row. */
function table(text: string, head: string): readonly (readonly string[])[] {
  const after = text.slice(text.indexOf(`\n${head}`) + 1).split('\n\n')[0] ?? ''
  return after
    .split('\n')
    .slice(2)
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
}

/** The engine of the quick start, in front of a source that says `text` in any wire. */
async function quickStart(text: string) {
  const upstream = await source(sayInAnyWire(text))
  const pricing = { prompt: '0.00000015', completion: '0.0000006' }
  const models = [{ id: 'openai/gpt-4o-mini', pricing, max_output_length: 1000 }]
  return open({ config: { providers: { openrouter: { api_base: `${upstream.url}/v1`, api_key: 'k', models } } } })
}

const run = async (program: string, args: readonly string[]) => (await promisify(execFile)(program, args, { cwd: root })).stdout

describe('examples', () => {
  /** One command each, with what it continues on the next lines. */
  const commands = [gateway, readme].flatMap((text) =>
    blocks(text, 'sh').flatMap((code) => code.replaceAll('\\\n', ' ').match(/^curl .*$/gm) ?? []),
  )

  it.each(commands)('%s', async (command) => {
    verifies('listing.docs.curl', 'listing.docs.quick_start')
    const { url } = await quickStart('Hello there')
    const answer = await run('sh', ['-c', command.replace('http://127.0.0.1:4356', url)])
    expect(answer).toContain(command.includes('/v1/models') ? '"id":"openai/gpt-4o-mini"' : 'Hello there')
  })

  it.each(blocks(gateway, 'js'))('%s', async (code) => {
    verifies('listing.docs.sdk')
    const { url } = await quickStart('Hello there')
    expect(await run(process.execPath, ['--input-type=module', '-e', code.replace('http://127.0.0.1:4356', url)])).toBe('Hello there\n')
  })

  it('are there', () => {
    expect([commands.length, blocks(gateway, 'js').length]).toEqual([4, 2])
  })

  it('of settings within a sentence are YAML as they stand', () => {
    const inline = [...[gateway, providers, readme].join('\n').matchAll(/`([a-z_.]+: [[{][^`]*)`/g)].map(([, code = '']) => code)
    expect(inline.length).toBeGreaterThan(5)
    const refuse = ([{ message }]: readonly [{ message: string }, ...unknown[]]) => new Error(message)
    for (const code of inline) expect(() => readYaml(code.replace(', …', ''), { maxBytes: 1_000, refuse }), code).not.toThrow()
  })

  it('of a manifest and of a models document are valid to the last field', async () => {
    verifies('register.flow.file')
    const [manifest = ''] = blocks(providers, 'yaml')
    const { provider } = await parseManifest(manifest, { expectedId: 'example-provider' })
    expect(provider.access).toMatchObject({ env: 'EXAMPLE_PROVIDER_API_KEY' })
    const [document = ''] = blocks(providers, 'json')
    const read = readModelsDocument(JSON.parse(document), { requirePricing: true })
    expect(read).toMatchObject({ rows: [{ upstreamModel: 'example/sonnet-1', pricing: { tiers: [{}, {}] } }], rejected: [], ignored: [] })
    expect(blocks(readme, 'yaml').filter((code) => code.startsWith('id:'))).toHaveLength(1)
  })
})

describe('tables', () => {
  it('list every route of every protocol, with what is asked and answered', async () => {
    verifies('listing.docs.endpoints')
    const rows = table(gateway, '| route |')
    const routes = rows.map(([route = '']) => route.replaceAll('`', ''))
    for (const { id, caller } of protocols) {
      const [path = ''] = caller.paths
      const beginning = path.split(':')[0] ?? ''
      expect(routes.filter((route) => route.startsWith(`POST ${beginning}`)).length, id).toBeGreaterThan(0)
    }
    const { url } = await quickStart('x')
    for (const route of routes.filter((each) => each.startsWith('GET '))) {
      const path = route.slice(4).replace('/receipts/{id}', '/receipts/pay_none').replace('/route/{id}', '/route/req_none')
      const { status } = await fetch(url + path.replace('{id}', 'openai/gpt-4o-mini'))
      expect([route, status]).toEqual([route, path.endsWith('_none') ? 404 : 200])
    }
    for (const route of routes.filter((each) => each.startsWith('POST '))) {
      const path = route.slice(5).replace('{model}', 'openai/gpt-4o-mini')
      const { status } = await fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
      expect([route, status]).toEqual([route, 400])
    }
    expect(rows.filter((row) => row.length !== 4)).toEqual([])
  })

  it('list our own parameters and no other', () => {
    verifies('listing.docs.parameters')
    const rows = table(gateway, '| body member |')
    expect(rows.map(([name = '']) => name.replaceAll('`', '')).toSorted()).toEqual([...extensionFields].toSorted())
    expect(rows.filter(([, what = '']) => what.length < 10)).toEqual([])
  })

  it('list every error code with its status and its meaning', () => {
    verifies('listing.docs.errors')
    const shown = table(gateway, '| code | status |').map(([code = '', status]) => [code.replaceAll('`', ''), Number(status)] as const)
    const local = table(gateway, '| code | meaning |').map(([code = '']) => code.replaceAll('`', ''))
    for (const [code, status] of shown) expect([code, answerStatus(new RouteplaneError(code as ErrorCode, 'x'))]).toEqual([code, status])
    expect([...shown.map(([code]) => code), ...local].toSorted()).toEqual(Object.keys(errorTable).toSorted())
    expect(gateway).not.toMatch(/\| *\|\n/)
  })
})

describe('the page for providers', () => {
  it.each([
    ['No harmful content', /children.*mass destruction.*harassment/],
    ['No malice', /credentials.*injection.*tampering.*exfiltration/],
    ['Honest metadata', /Prices.*refused/],
    ['Reasonable availability', /health checks.*delisted/],
    ['Lawful operation', /export controls and sanctions/],
    ['Discretion', /rejected or delisted/],
  ])('has the term "%s"', (term, words) => {
    verifies('register.terms.no_harm', 'register.terms.no_malice', 'register.terms.lawful', 'register.terms.discretion')
    const line = providers.split('\n').find((each) => each.startsWith(`- **${term}.**`))
    expect(line).toMatch(words)
  })

  it('answers common questions, and says who reviews', () => {
    verifies('listing.after.faq', 'register.flow.review')
    expect(table(providers, '| question |').filter(([, answer = '']) => answer.length > 20).length).toBeGreaterThanOrEqual(5)
    expect(providers).toMatch(/A person reviews it with those findings/)
  })
})
