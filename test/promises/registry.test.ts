/** What the public registry was promised to be: a vocabulary, one file a provider, no credential, and no say in who gets traffic. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseManifest } from '../../src/registry/manifest.ts'
import { problemsOf } from '../../src/registry/problem.ts'
import { ask } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { commandLine, open, said, source } from './world.ts'

const base = 'name: acme\napi_base: https://acme.dev/v1\n'

async function codesOf(text: string): Promise<readonly string[]> {
  try {
    await parseManifest(text)
    return []
  } catch (error) {
    return problemsOf(error).map(({ code }) => code)
  }
}

describe('a registry file', () => {
  it.each([
    ['an API key', 'api_key: sk-live-1234567890\n', 'unknown_key'],
    ['a token', 'token: abc\n', 'unknown_key'],
    ['a key inside auth', 'auth: { kind: bearer, key: sk-live-1234567890 }\n', 'unknown_key'],
    ['a bearer header', 'auth: { kind: bearer, extra_headers: { authorization: "Bearer sk-live-1234567890" } }\n', 'credential_in_file'],
    ['an authorization header', 'auth: { kind: bearer, extra_headers: { authorization: x } }\n', 'invalid_header'],
    ['a cookie', 'auth: { kind: bearer, extra_headers: { cookie: "session=1" } }\n', 'invalid_header'],
    ['an API key in a header', 'auth: { kind: bearer, extra_headers: { X-Api-Key: some-secret } }\n', 'credential_in_file'],
    ['a key under another name', 'auth: { kind: bearer, extra_headers: { x-title: sk-live-1234567890ab } }\n', 'credential_in_file'],
    ['a key in a query', 'models_url: https://acme.dev/models?api_key=abc\n', 'credential_in_file'],
    ['a private key', `display_name: 0x${'4c'.repeat(32)}\n`, 'credential_in_file'],
    ['a web token as its name', 'display_name: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln\n', 'credential_in_file'],
    ['a password in its address', 'models_url: https://user:secret@acme.dev/models\n', 'credentials_in_url'],
    ['somebody else’s variable', 'auth: { kind: bearer, env: AWS_SECRET_ACCESS_KEY }\n', 'env_not_allowed'],
  ])('cannot hold %s', async (_, line, code) => {
    verifies('registry.no_credentials', 'listing.process.security')
    expect(await codesOf(base)).toEqual([])
    expect(await codesOf(base + line)).toContain(code)
  })

  it.each([
    'display_name: SK-Telecom',
    'models_url: https://acme.dev/models?page=all',
    'auth: { kind: header, header: X-Api-Key, extra_headers: { x-title: router } }',
    'models: [{ id: sk/a-model-of-2026-v12345, provider_model_id: sk-telecom/ax-4 }]',
  ])('is not refused for what only sounds like one: "%s"', async (line) => {
    expect(await codesOf(`${base}${line}\n`)).toEqual([])
  })

  it.each(['uptime: 1', 'ttft_ms: 1', 'throughput: 9999', 'rank: 1', 'share: 0.9'])('has no say in its traffic: "%s"', async (line) => {
    verifies('register.routing.separate')
    expect(await codesOf(`${base}${line}\n`)).toEqual(['unknown_key'])
  })

  it('names models by the shared vocabulary, and a model of several files is one', async () => {
    verifies('registry.layout.canonical', 'registry.consume.path', 'models.aggregate')
    const [one, two] = [await source(said('one')), await source(said('two'))]
    const file = (id: string, url: string, upstream: string, price: number) =>
      `name: ${id}\napi_base: ${url}\nmodels: [{ id: maker/m, provider_model_id: ${upstream}, pricing: { input_tokens: { no_cache: ${price} }, output_tokens: { text: ${price} } } }]\n`
    const registry = {
      'canonical.yaml':
        'models: [{ id: maker/m, name: "Maker: M", input_modalities: [text, image], output_modalities: text, max_input_tokens: 5000 }]\n',
      'providers/one.yaml': file('one', one.url, 'm-1', 2),
      'providers/two.yaml': file('two', two.url, 'm-two', 1),
      'providers/ghost.yaml': file('ghost', two.url, 'g', 0).replace('maker/m,', 'maker/ghost,'),
    }
    const engine = await open({ registry, variables: { ONE_API_KEY: 'k', TWO_API_KEY: 'k', GHOST_API_KEY: 'k' } })
    expect(engine.routeplane.catalog.models()).toMatchObject([
      { id: 'maker/m', name: 'Maker: M', endpoints: [{ contextLength: 5000 }, {}] },
    ])
    const body = { model: 'maker/m:cost', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }
    expect((await ask(engine.url, body)).headers.get('x-routeplane-provider')).toBe('two')
    expect(two.requests[0]?.json).toMatchObject({ model: 'm-two' })
    expect(engine.logged.join('\n')).toContain('providers/ghost.yaml')
  })
})

describe('two files of one provider', () => {
  it.each(['acme2.yaml', 'acme.yml'])('are refused: %s beside acme.yaml', async (name) => {
    verifies('registry.validate.unique')
    const text = 'name: acme\napi_base: https://acme.dev\nmodels_url: https://acme.dev/models\n'
    const world = commandLine()
    mkdirSync(join(world.directory, 'providers'))
    writeFileSync(join(world.directory, 'canonical.yaml'), 'models: []\n')
    writeFileSync(join(world.directory, 'providers/acme.yaml'), text)
    expect((await world.run('registry', 'validate')).code).toBe(0)
    writeFileSync(join(world.directory, 'providers', name), text)
    const { code, out } = await world.run('registry', 'validate')
    expect([code, out.includes(`providers/${name}`)]).toEqual([1, true])
  })
})

it('a listing states its documentation, a contact and a support channel, and `registry show` prints them', async () => {
  verifies('listing.basic.documentation', 'listing.after.support', 'listing.process.escalation')
  const lines = ['doc_url: https://acme.dev/docs', 'contact: ops@acme.dev', 'support: https://acme.dev/help']
  const world = commandLine()
  mkdirSync(join(world.directory, 'providers'))
  const write = (more: readonly string[]) =>
    writeFileSync(join(world.directory, 'providers/acme.yaml'), `${base}models_url: https://acme.dev/models\n${more.join('\n')}\n`)
  writeFileSync(join(world.directory, 'canonical.yaml'), 'models: []\n')
  write(lines)
  expect((await world.run('registry', 'validate')).code).toBe(0)
  const { out } = await world.run('registry', 'show', 'acme')
  expect(lines.filter((line) => !out.includes(line))).toEqual([])
  for (const wrong of ['doc_url: none', 'contact: nobody', 'support: "javascript:alert(1)"']) {
    write([wrong])
    expect((await world.run('registry', 'validate')).code).toBe(1)
  }
})
