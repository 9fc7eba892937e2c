/** The registry of the package: valid, sourced, and enough to route with nothing but a key. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { keyVariable } from '../../src/config/configured-provider.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { zeroConfig } from '../../src/config/load.ts'
import { createRouteplane } from '../../src/routeplane.ts'
import { textCall } from '../../src/cli/text-call.ts'
import { loadRegistryDirectory } from '../../src/registry/directory.ts'
import { packagedRegistry } from '../../src/registry/packaged.ts'
import { createFolder } from '../support/folder.ts'

const directory = packagedRegistry() ?? ''

async function openWithKeys(variables: Readonly<Record<string, string>>) {
  const folder = createFolder('zero-config')
  const environment = createEnvironment({ ROUTEPLANE_HOME: join(folder, 'home'), ...variables }, folder, folder)
  const routeplane = await createRouteplane(zeroConfig(environment))
  onTestFinished(() => routeplane.close())
  return routeplane
}

describe('the registry of the package', () => {
  it('has no problem, and a source for what it says of prices', async () => {
    const { canonical, definitions, problems } = await loadRegistryDirectory(directory)
    expect(problems).toEqual([])
    expect(definitions.length).toBeGreaterThan(5)
    expect(canonical.models.size).toBeGreaterThan(20)
    // A file whose key is not set is not even read, so its variable must be the one that its name gives.
    for (const { provider } of definitions) expect(provider.access).toMatchObject({ env: keyVariable(provider.id) })
    for (const file of readdirSync(join(directory, 'providers'))) {
      expect(readFileSync(join(directory, 'providers', file), 'utf8'), file).toMatch(/^# .*https:\/\//)
    }
  })

  it('lets one key route by canonical names, and lists nobody without one', async () => {
    const routeplane = await openWithKeys({ OPENAI_API_KEY: 'k', GROQ_API_KEY: 'k' })
    const providers = new Set(routeplane.catalog.models().flatMap(({ endpoints }) => endpoints.map(({ provider }) => provider.id)))
    expect([...providers].toSorted()).toEqual(['groq', 'openai'])
    const signal = AbortSignal.timeout(5_000)
    for (const [model, endpoint] of [
      ['openai/gpt-4o-mini', 'openai:gpt-4o-mini'],
      ['gpt-4o-mini', 'openai:gpt-4o-mini'],
      ['llama-3.3-70b-versatile', 'groq:llama-3.3-70b-versatile'],
      ['openai:a-model-of-tomorrow', 'openai:a-model-of-tomorrow'],
    ] as const) {
      const decision = await routeplane.explain(textCall({ id: 'req_1', model, prompt: 'Hello', signal }))
      expect(decision.attempts[0]).toMatchObject({ endpoint, mode: 'byok' })
    }
  })

  it('lists nothing where there is no key', async () => {
    expect((await openWithKeys({})).catalog.models({ includeHidden: true })).toEqual([])
  })
})
