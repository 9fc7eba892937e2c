/** A published registry: fetched with tags, kept on disk, and never believed further than its files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { createTransport } from '../../src/gateway/transport.ts'
import { buildRegistry } from '../../src/registry/build.ts'
import { createRemoteRegistry, MAX_BUILT_BYTES, type RemoteRegistry } from '../../src/registry/remote.ts'
import { ask } from '../support/engine.ts'
import { createFolder } from '../support/folder.ts'
import type { Answer } from '../support/upstream.ts'
import { open, said, source } from '../promises/world.ts'

const row = (id: string) =>
  `models: [{ id: ${id}, name: M, input_modalities: [text], output_modalities: [text], max_input_tokens: 5000 }]\n`
const manifest = (id: string, url: string) =>
  `name: ${id}\napi_base: ${url}\nauth: { kind: bearer }\nmodels: [{ id: maker/m, pricing: { input_tokens: { no_cache: 1 }, output_tokens: { text: 1 } } }]\n`

type Built = { readonly providers: string; readonly models: string }

/** Builds what a publisher would upload; each call raises the serial. */
function publisher() {
  const folder = createFolder('published')
  mkdirSync(join(folder, 'providers'))
  return async (manifests: Readonly<Record<string, string>>): Promise<Built> => {
    writeFileSync(join(folder, 'canonical.yaml'), row('maker/m'))
    for (const [id, text] of Object.entries(manifests)) writeFileSync(join(folder, 'providers', `${id}.yaml`), text)
    await buildRegistry(folder, join(folder, 'dist'), { allowLoopback: true })
    const read = (kind: string) => readFileSync(join(folder, 'dist', `${kind}.json`), 'utf8')
    return { providers: read('providers'), models: read('models') }
  }
}

/** Serves what it is told to, with a tag that follows from the bytes. */
async function host() {
  let answerOf: (path: string) => Answer = () => ({ status: 404, body: '' })
  const server = await source(({ path, headers }) => {
    const answer = answerOf(path)
    const tag = 'body' in answer ? `"${hash(String(answer.body))}"` : ''
    if (tag !== '' && headers['if-none-match'] === tag) return { status: 304, body: '' }
    return { ...answer, headers: { etag: tag, ...answer.headers } }
  })
  return {
    ...server,
    serve: (built: Built) => {
      answerOf = (path) => ({ body: path.endsWith('/providers.json') ? built.providers : built.models })
    },
    answer: (next: (path: string) => Answer) => {
      answerOf = next
    },
  }
}

function hash(text: string): number {
  return [...text].reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003, 7)
}

function remote(url: string, cacheFile: string, allowLoopback = true): RemoteRegistry {
  return createRemoteRegistry({
    url,
    cacheFile,
    transport: createTransport({ allowLoopback: true, timeouts: {} }),
    log: silentLog,
    allowLoopback,
  })
}

const idsOf = (content: Awaited<ReturnType<RemoteRegistry['refresh']>>) => content?.definitions.map(({ provider }) => provider.id)

describe('a registry by its address', () => {
  it('routes by what is published, and by the kept copy when nobody answers', async () => {
    const upstream = await source(said('one'))
    const registry = await host()
    registry.serve(await publisher()({ one: manifest('one', upstream.url) }))
    const config = { registry: { url: `${registry.url}/v1` } }
    const engine = await open({ config, variables: { ONE_API_KEY: 'k' } })
    const body = { model: 'maker/m', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }
    expect((await ask(engine.url, body)).headers.get('x-routeplane-provider')).toBe('one')
    expect(registry.requests.map(({ path }) => path).toSorted()).toEqual(['/v1/models.json', '/v1/providers.json'])
    for (const { headers } of registry.requests) expect(headers.authorization ?? headers.cookie).toBeUndefined()

    await registry.close()
    const home = join(engine.directory, 'home')
    const again = await open({ config, variables: { ONE_API_KEY: 'k', ROUTEPLANE_HOME: home } })
    expect((await ask(again.url, body)).headers.get('x-routeplane-provider')).toBe('one')
    expect(again.logged.join('\n')).toContain('registry kept as it was')
  })

  it('is asked with the tags of the copy that is there', async () => {
    const registry = await host()
    const publish = publisher()
    const cacheFile = join(createFolder('cache'), 'registry.json')
    registry.serve(await publish({ one: manifest('one', 'https://one.example/v1') }))
    expect(idsOf(await remote(registry.url, cacheFile).refresh())).toEqual(['one'])
    // Another process: it has the copy from disk.
    const second = remote(registry.url, cacheFile)
    expect(await second.refresh()).toBeUndefined()
    expect(registry.requests.slice(2).every(({ headers }) => headers['if-none-match'] !== undefined)).toBe(true)
    expect(idsOf(await second.cached())).toEqual(['one'])
    registry.serve(await publish({ two: manifest('two', 'https://two.example/v1') }))
    expect(idsOf(await second.refresh())).toEqual(['one', 'two'])
    expect(await remote('https://elsewhere.example', cacheFile).cached()).toBeUndefined()
  })

  it('keeps the good copy against an older build, a spoiled one, half of two, a redirect and a flood', async () => {
    const registry = await host()
    const publish = publisher()
    const first = await publish({ one: manifest('one', 'https://one.example/v1') })
    const second = await publish({ two: manifest('two', 'https://two.example/v1') })
    const cacheFile = join(createFolder('cache'), 'registry.json')
    const subject = remote(registry.url, cacheFile)
    registry.serve(second)
    expect(idsOf(await subject.refresh())).toEqual(['one', 'two'])
    const worse: readonly ((path: string) => Answer)[] = [
      (path) => ({ body: path.endsWith('/providers.json') ? first.providers : first.models }),
      () => ({ body: second.providers.replace('two.example', 'evil.example') }),
      (path) => ({ body: path.endsWith('/providers.json') ? first.providers : second.models }),
      () => ({ status: 302, headers: { location: 'https://elsewhere.example/' }, body: 'gone' }),
      () => ({ body: ' '.repeat(MAX_BUILT_BYTES + 1) }),
      () => ({ status: 503, body: 'later' }),
      () => ({ hangUp: true }),
    ]
    for (const answer of worse) {
      registry.answer(answer)
      expect(await subject.refresh()).toBeUndefined()
      expect(idsOf(await subject.cached())).toEqual(['one', 'two'])
    }
  })

  it('cannot point at this machine, and leaves out only the file that tries', async () => {
    const registry = await host()
    const publish = publisher()
    registry.serve(await publish({ one: manifest('one', 'https://one.example/v1'), local: manifest('local', 'http://127.0.0.1:1/v1') }))
    const content = await remote(registry.url, join(createFolder('cache'), 'registry.json'), false).refresh()
    expect(idsOf(content)).toEqual(['one'])
    expect(content?.problems).toMatchObject([{ code: 'private_address' }])
  })
})
