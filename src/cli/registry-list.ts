/** `routeplane registry list`, `show` and `build`: what a registry holds, for people and for programs. */
import { join, resolve } from 'node:path'
import { resolvePath } from '../config/environment.ts'
import type { ProviderDefinition } from '../registry/model-row.ts'
import { providerFile, readProviderFile } from '../registry/registry-files.ts'
import { plainCommand, type Command } from './command.ts'
import { counted, table } from './output.ts'
import { readRegistry, registryOptions, registryToChange, registryToRead } from './registry-directory.ts'

export const registryList: Command = {
  ...plainCommand,
  name: 'registry list',
  summary: 'List the providers of a registry, one line each.',
  options: registryOptions,
  async run(invocation, context) {
    const directory = await registryToRead(invocation, context)
    const { definitions, problems } = await readRegistry(directory, invocation)
    const broken = new Set(problems.map(({ file }) => file)).size
    const note = broken === 0 ? '' : `\n\n${broken} ${broken === 1 ? 'file is' : 'files are'} left out: see "routeplane registry validate".`
    return {
      text: `${definitions.length === 0 ? 'No providers.' : table(HEAD, definitions.map(rowOf))}${note}`,
      value: { directory, providers: definitions.map(valueOf), files_with_problems: broken },
    }
  },
}

const HEAD = ['provider', 'status', 'speaks', 'paid by', 'models', 'endpoint']

function rowOf({ provider, models }: ProviderDefinition): readonly string[] {
  const listed = provider.modelsUrl === undefined ? String(models.length) : `${models.length} + document`
  return [provider.id, provider.status, protocolsOf(provider).join(', '), provider.payment.modes.join(', '), listed, provider.baseUrl]
}

function valueOf({ provider, models }: ProviderDefinition): unknown {
  return {
    id: provider.id,
    name: provider.name,
    status: provider.status,
    kind: provider.kind,
    endpoint: provider.baseUrl,
    models_url: provider.modelsUrl ?? null,
    protocols: protocolsOf(provider),
    payment_modes: provider.payment.modes,
    models: models.map((model) => model.canonicalId ?? model.upstreamModel),
  }
}

function protocolsOf(provider: ProviderDefinition['provider']): readonly string[] {
  return [...new Set(provider.protocols.flatMap(({ protocols }) => protocols))]
}

export const registryShow: Command = {
  ...plainCommand,
  name: 'registry show',
  summary: "Print one provider's file.",
  positionals: ['<provider>'],
  options: registryOptions,
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const directory = await registryToRead(invocation, context)
    const { definitions } = await readRegistry(directory, invocation)
    const text = await readProviderFile(
      directory,
      id,
      definitions.map(({ provider }) => provider.id),
    )
    const file = providerFile(id)
    const { readRegistryYaml } = await import('../registry/yaml.ts')
    return { text, value: { directory, file, manifest: readRegistryYaml(text, { file }).value } }
  },
}

export const registryBuild: Command = {
  ...plainCommand,
  name: 'registry build',
  summary: 'Write providers.json and models.json, for those who fetch the registry over HTTP.',
  details: [
    'The same files give the same bytes. The serial goes up by one with each change, so that an old copy can be told.',
    'Whoever sets registry.url to the folder they are served from reads them.',
  ],
  positionals: ['[dir]'],
  options: {
    ...registryOptions,
    out: { type: 'string', value: '<folder>', summary: 'Where to; dist in the registry by default.' },
  },
  async run(invocation, context) {
    const { environment } = context
    const [named] = invocation.positionals
    const directory =
      named === undefined
        ? await registryToChange(invocation, context)
        : resolvePath(named, resolve(environment.workingDirectory), environment)
    const out = invocation.text('out')
    const folder = out === undefined ? join(directory, 'dist') : resolvePath(out, resolve(environment.workingDirectory), environment)
    const { buildRegistry } = await import('../registry/build.ts')
    const report = await buildRegistry(directory, folder, { allowLoopback: invocation.flag('allow-loopback') })
    const lines = report.files.map(({ file, changed }) => `${changed ? 'Wrote' : 'Unchanged:'} ${file}`)
    return {
      text: [...lines, `${counted(report.providers, 'provider')}, ${counted(report.models, 'model')}, serial ${report.serial}`].join('\n'),
      value: report,
    }
  },
}
