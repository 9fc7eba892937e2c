/** `routeplane init`: writes the commented starter config, and never over another file. */
import { writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CONFIG_FILE } from '../config/load.ts'
import { resolvePath } from '../config/environment.ts'
import { RouteplaneError } from '../errors.ts'
import { makeDirectory } from '../lib/directory.ts'
import { plainCommand, type Command } from './command.ts'
import { findLocalServers, localServers, type FoundServer, type LocalServer } from './local-servers.ts'
import { starterConfig } from './starter.ts'

export const init = createInit(localServers)

/** @param servers - Where `--local` looks. */
export function createInit(servers: readonly LocalServer[]): Command {
  return {
    ...plainCommand,
    name: 'init',
    summary: 'Write a commented starter config.',
    details: [
      `Writes ./${CONFIG_FILE}, or the file after -c. A file that is there already stays as it is.`,
      `With --local it asks ${servers.map(({ name }) => name).join(', ')} on this machine for their models, and writes in who answers.`,
    ],
    options: { local: { type: 'boolean', summary: 'Write in the model servers that run on this machine' } },
    async run(invocation, { environment }) {
      const file = resolvePath(invocation.configFile ?? CONFIG_FILE, resolve(environment.workingDirectory), environment)
      if (!invocation.flag('local')) {
        await writeNew(file, starterConfig)
        return { text: [`Wrote ${file}`, '', 'Next: uncomment a provider in it, then', ...NEXT].join('\n'), value: { file } }
      }
      const found = await findLocalServers(servers)
      await writeNew(file, withProviders(found))
      const value = { file, found: found.map(({ id, baseUrl, models }) => ({ id, api_base: baseUrl, models })) }
      return { text: [`Wrote ${file}`, '', ...tellFound(found, servers)].join('\n'), value }
    },
  }
}

const NEXT = ['  routeplane config check', '  routeplane serve']

function tellFound(found: readonly FoundServer[], servers: readonly LocalServer[]): readonly string[] {
  if (found.length === 0) {
    const looked = servers.map(({ name, baseUrl }) => `  ${name} at ${baseUrl}`)
    return [
      'No model server answers on this machine. Looked for',
      ...looked,
      '',
      'Start one, or uncomment a provider in the file, then',
      ...NEXT,
    ]
  }
  const lines = found.map(
    ({ name, baseUrl, models }) => `  ${name} at ${baseUrl}: ${models.join(', ') || 'no model yet, so any is passed on'}`,
  )
  const example = found.find(({ models }) => models.length > 0)
  const ask =
    example === undefined
      ? []
      : [
          `  curl http://127.0.0.1:4356/v1/chat/completions -H 'content-type: application/json' \\`,
          `    -d '{"model": "${example.models[0]}", "messages": [{"role": "user", "content": "Hello"}]}'`,
        ]
  return ['Found', ...lines, '', 'Next:', ...NEXT, ...ask]
}

/** What runs on the user's own machine costs him nothing a token. */
function withProviders(found: readonly FoundServer[]): string {
  const blocks = found.map(({ id, baseUrl, models }) => {
    const rows = models.map((model) => `      - { id: ${JSON.stringify(model)}, pricing: { prompt: '0', completion: '0' } }\n`)
    return `  ${id}:\n    api_base: ${baseUrl}\n${rows.length === 0 ? '' : `    models:\n${rows.join('')}`}\n`
  })
  return starterConfig.replace(/^providers:\n/m, () => `providers:\n${blocks.join('')}`)
}

async function writeNew(file: string, text: string): Promise<void> {
  try {
    makeDirectory(dirname(file))
  } catch (cause) {
    throw unwritable(dirname(file), cause)
  }
  await writeFile(file, text, { flag: 'wx' }).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(file, cause)
    throw new RouteplaneError('usage', `${file} is there already`, {
      hint: 'Write elsewhere with -c <file>, or move the old one away.',
      details: { problem: 'file_exists' },
    })
  })
}

function unwritable(place: string, cause: unknown): RouteplaneError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown cause'
  return new RouteplaneError('usage', `${place} cannot be written (${code})`, { details: { problem: 'unwritable_file' }, cause })
}
