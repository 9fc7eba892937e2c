/** `init --local` writes in the model servers of this machine, and says where it looked when there are none. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { CommandContext } from '../../src/cli/context.ts'
import { createInit } from '../../src/cli/init.ts'
import { parseInvocation } from '../../src/cli/invocation.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { createFolder } from '../support/folder.ts'
import { freePort, startUpstream, type Script } from '../support/upstream.ts'

async function server(script: Script): Promise<string> {
  const upstream = await startUpstream(script)
  onTestFinished(() => upstream.close())
  return `${upstream.url}/v1`
}

async function initLocal(...servers: readonly (readonly [id: string, baseUrl: string])[]) {
  const directory = createFolder('init')
  const environment = createEnvironment({}, join(directory, 'home'), directory)
  const command = createInit(servers.map(([id, baseUrl]) => ({ id, name: id.toUpperCase(), baseUrl })))
  const { text, value } = await command.run(parseInvocation(command, ['--local']), { environment } as CommandContext)
  const written = readFileSync(join(directory, 'routeplane.yaml'), 'utf8')
  return { text, value, config: parseConfig(written, { environment }) }
}

const list = (...ids: readonly unknown[]) => ({ json: { object: 'list', data: ids.map((id) => ({ id, object: 'model' })) } })

describe('init --local', () => {
  it('writes each server that lists models, free of charge, and asks no other path', async () => {
    const asked: string[] = []
    const one = await server(({ path }) => {
      asked.push(path)
      return list('llama3:8b', 'org/qwen2.5', 'llama3:8b', 'bad id\n', 7, '__proto__')
    })
    const none = await server(list())
    const { text, config, value } = await initLocal(['ollama', one], ['vllm', none], ['gone', `http://127.0.0.1:${await freePort()}/v1`])
    expect(asked).toEqual(['/v1/models'])
    expect(
      config.providers.map(({ provider, models, passesAnyModel }) => [provider.id, provider.baseUrl, models.length, passesAnyModel]),
    ).toEqual([
      ['ollama', one, 2, false],
      ['vllm', none, 0, true],
    ])
    expect(config.providers[0]?.models.map(({ modelId, pricing }) => [modelId, pricing?.tiers[0].prompt])).toEqual([
      ['llama3:8b', 0n],
      ['org/qwen2.5', 0n],
    ])
    expect(text).toContain(`OLLAMA at ${one}: llama3:8b, org/qwen2.5`)
    expect(text).toContain('"model": "llama3:8b"')
    expect(value).toMatchObject({
      found: [
        { id: 'ollama', models: ['llama3:8b', 'org/qwen2.5'] },
        { id: 'vllm', models: [] },
      ],
    })
  })

  it('says where it looked when nobody answers with a list', async () => {
    const others = [await server({ status: 404, body: 'not here' }), await server({ body: '<html>' }), await server({ json: { data: {} } })]
    const moved = await server({ status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' })
    const { text, config } = await initLocal(...[...others, moved].map((url, at) => [`s${at}`, url] as const))
    expect(config.providers).toEqual([])
    expect(text).toContain('No model server answers on this machine. Looked for')
    for (const url of others) expect(text).toContain(url)
  })
})
