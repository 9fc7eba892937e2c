/** What a user was promised of sources: any shape of one behind one endpoint, in few lines of YAML, addressed alike. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createEngine } from '../../src/cli/engine.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ask } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { commandLine, failed, modelsAsked, open, said, source } from './world.ts'

const hello = (model: string) => ({ model, messages: [{ role: 'user', content: 'hello' }], max_tokens: 8 })

describe('a provider block', () => {
  it('names a source by an id of the user’s own, with its base URL, its key from the environment and its models', async () => {
    verifies('sources.config.map', 'sources.config.api_base', 'sources.config.api_key', 'sources.config.models', 'sources.aggregator')
    const upstream = await source(said('hi'))
    const config = {
      providers: { 'my-hub': { api_base: `${upstream.url}/some/v9`, api_key: '${HUB_KEY}', models: [{ id: 'openai/gpt-4o' }] } },
    }
    const engine = await open({ config, variables: { HUB_KEY: 'sk-hub' } })
    expect(engine.routeplane.catalog.models().map(({ id, endpoints }) => [id, endpoints[0]?.provider.id])).toEqual([
      ['openai/gpt-4o', 'my-hub'],
    ])
    expect((await ask(engine.url, hello('openai/gpt-4o'))).status).toBe(200)
    expect(upstream.requests[0]).toMatchObject({ path: '/some/v9/chat/completions', headers: { authorization: 'Bearer sk-hub' } })
    expect(await readFile(engine.file, 'utf8')).not.toContain('sk-hub')
  })

  it('speaks Chat Completions unless api_protocol says otherwise for a pattern of models', async () => {
    verifies('sources.config.api_protocol', 'sources.config.api_protocol_default')
    const models = [{ id: 'claude-x' }, { id: 'other' }]
    const api_base = (await source(said('hi'))).url
    const config = {
      providers: {
        plain: { api_base, models: [{ id: 'plain' }] },
        mixed: { api_base, models, api_protocol: [{ 'claude-*': 'messages' }, { '*': 'responses' }] },
      },
    }
    const { routeplane } = await open({ config })
    expect(routeplane.catalog.models().map(({ id, endpoints }) => [id, endpoints[0]?.protocols])).toEqual([
      ['claude-x', ['messages']],
      ['other', ['responses']],
      ['plain', ['chat_completions']],
    ])
  })
})

/** A hosted source with a key and a local one without, which share one model. */
async function twoSources(local: Parameters<typeof source>[0] = said('from local'), models: object = {}) {
  const [gpu, hub] = [await source(local), await source(said('from hub'))]
  const providers = {
    gpu: { api_base: gpu.url, models: [{ id: 'llama3:8b' }, { id: 'openai/gpt-4o' }] },
    openrouter: { api_base: hub.url, api_key: 'k', models: [{ id: 'openai/gpt-4o' }] },
  }
  return { gpu, hub, engine: await open({ config: { providers, models } }) }
}

const by = async (url: string, model: string) => (await ask(url, hello(model))).headers.get('x-routeplane-provider')

describe('a model', () => {
  it('is addressed the same way whatever kind of source it has', async () => {
    verifies('sources.provider_model_id', 'sources.one_registry')
    const { gpu, hub, engine } = await twoSources()
    expect([await by(engine.url, 'gpu:llama3:8b'), await by(engine.url, 'openrouter:openai/gpt-4o')]).toEqual(['gpu', 'openrouter'])
    expect([modelsAsked(gpu), modelsAsked(hub)]).toEqual([['llama3:8b'], ['openai/gpt-4o']])
    const { data } = (await (await fetch(`${engine.url}/v1/models`)).json()) as { readonly data: readonly { readonly id: string }[] }
    expect(data.map(({ id }) => id)).toEqual(['llama3:8b', 'openai/gpt-4o'])
  })

  it('by its bare name goes to the sources that declare it, one after another, and pinned to exactly one', async () => {
    verifies('sources.model.bare', 'sources.model.pinned')
    const { gpu, hub, engine } = await twoSources(failed(503))
    const reply = await ask(engine.url, hello('openai/gpt-4o'))
    expect([reply.status, reply.headers.get('x-routeplane-provider')]).toEqual([200, 'openrouter'])
    expect([gpu.requests.length, hub.requests.length]).toEqual([1, 1])
    expect((await ask(engine.url, hello('gpu:openai/gpt-4o'))).status).toBe(502)
    expect([gpu.requests.length, hub.requests.length]).toEqual([2, 1])
  })
})

describe('a virtual model', () => {
  const models = {
    mine: {
      endpoints: [
        { provider: 'gpu', model: 'llama3:8b' },
        { provider: 'openrouter', model: 'openai/gpt-4o' },
      ],
    },
  }

  it('runs on the first of its endpoints as long as that answers', async () => {
    verifies('sources.virtual.order')
    const { gpu, hub, engine } = await twoSources(said('from local'), models)
    for (let each = 0; each < 3; each++) expect(await by(engine.url, 'mine')).toBe('gpu')
    expect([gpu.requests.length, hub.requests.length]).toEqual([3, 0])
  })

  it.each([500, 429, 529])('fails over to the next one on %i', async (status) => {
    verifies('sources.virtual.failover')
    const { hub, engine } = await twoSources(failed(status), models)
    expect(await by(engine.url, 'mine')).toBe('openrouter')
    expect(modelsAsked(hub)).toEqual(['openai/gpt-4o'])
  })
})

describe('the gateway', () => {
  it('is what `routeplane` alone starts, on 127.0.0.1:4356', async () => {
    verifies('sources.serve.command', 'sources.serve.address', 'card.gateway.port')
    const asked: unknown[] = []
    const world = commandLine({
      engine: {
        serveHttp: async (_, { host, port, skipAuth }) => {
          asked.push([host, port, skipAuth])
          world.interrupt('SIGINT')
          return { url: `http://${host}:${port}`, close: async () => {} }
        },
      },
    })
    expect((await world.run('init')).code).toBe(0)
    const { out } = await world.run()
    expect(asked).toEqual([['127.0.0.1', 4356, true]])
    expect(out).toContain('listens on http://127.0.0.1:4356')
  })

  it('takes the starter config with one block added, and answers curl', async () => {
    verifies('sources.serve.curl', 'sources.init.writes', 'sources.init.skip_auth')
    const upstream = await source(said('Hello from there'))
    const world = commandLine()
    await world.run('init')
    const file = join(world.directory, 'routeplane.yaml')
    const starter = await readFile(file, 'utf8')
    await writeFile(
      file,
      starter.replace(
        'providers:\n',
        `providers:\n  openrouter:\n    api_base: ${upstream.url}/v1\n    models:\n      - id: openai/gpt-4o\n`,
      ),
    )
    const config = await loadConfig({ file, environment: createEnvironment({}, world.directory, world.directory) })
    const running = commandLine({
      engine: {
        serveHttp: async (routeplane, options) => {
          const server = await createEngine().serveHttp(routeplane, { ...options, port: 0 })
          answers.push(await curl(server.url))
          running.interrupt('SIGINT')
          return server
        },
      },
    })
    const answers: string[] = []
    expect(config.providers.map(({ provider }) => provider.id)).toEqual(['openrouter'])
    await running.run('serve', '-c', file)
    expect(answers).toEqual([expect.stringContaining('Hello from there')])
    expect(modelsAsked(upstream)).toEqual(['openai/gpt-4o'])
  })
})

/** The command of the documentation, to another port. */
async function curl(url: string): Promise<string> {
  const body = '{"model": "openrouter:openai/gpt-4o", "messages": [{"role": "user", "content": "Hello from Routeplane"}]}'
  const args = ['-s', `${url}/v1/chat/completions`, '-H', 'Content-Type: application/json', '-d', body]
  return (await promisify(execFile)('curl', args)).stdout
}
