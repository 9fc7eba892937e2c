/** `routeplane registry validate`: every problem of a registry with its place, and whether its providers answer. */
import { resolvePath } from '../config/environment.ts'
import { RouteplaneError } from '../errors.ts'
import { existsSync } from 'node:fs'
import type { FileProblem, RegistryDirectory } from '../registry/directory.ts'
import type { Reachability } from '../registry/reachability.ts'
import { plainCommand, type Command } from './command.ts'
import type { CommandContext } from './context.ts'
import { exitCodes } from './exit-code.ts'
import type { Invocation } from './invocation.ts'
import { counted, plain, table } from './output.ts'
import { readRegistry, registryOptions, registryToRead } from './registry-directory.ts'

export const registryValidate: Command = {
  ...plainCommand,
  name: 'registry validate',
  summary: 'Check every file of a registry, and with --reachability every provider.',
  details: ['Ends with 1 when something is wrong, so that it can stand in a workflow.'],
  positionals: ['[dir]'],
  options: {
    ...registryOptions,
    reachability: { type: 'boolean', summary: 'Also ask each provider whether its endpoint and models_url answer. Sends no key.' },
  },
  async run(invocation, context) {
    const directory = await directoryFor(invocation, context)
    const registry = await readRegistry(directory, invocation)
    const reached = invocation.flag('reachability') ? await reach(registry, invocation) : undefined
    const isValid = registry.problems.length === 0 && (reached ?? []).every(({ ok }) => ok)
    return {
      text: [summary(registry), ...registry.problems.map(problemLine), ...(reached === undefined ? [] : [reachTable(reached)])].join('\n'),
      value: {
        directory,
        valid: isValid,
        providers: registry.definitions.length,
        canonical_models: registry.canonical.models.size,
        problems: registry.problems,
        ...(reached === undefined ? {} : { reachability: reached }),
      },
      exitCode: isValid ? exitCodes.ok : exitCodes.failed,
    }
  },
}

async function directoryFor(invocation: Invocation, context: CommandContext): Promise<string> {
  const [named] = invocation.positionals
  if (named === undefined) return registryToRead(invocation, context)
  const { environment } = context
  const directory = resolvePath(named, environment.workingDirectory, environment)
  if (existsSync(directory)) return directory
  throw new RouteplaneError('usage', `there is no folder ${directory}`, { details: { problem: 'no_registry' } })
}

async function reach({ definitions }: RegistryDirectory, invocation: Invocation): Promise<readonly Reachability[]> {
  const [{ createTransport }, { checkReachability }] = await Promise.all([
    import('../gateway/transport.ts'),
    import('../registry/reachability.ts'),
  ])
  const transport = createTransport({ allowLoopback: invocation.flag('allow-loopback') })
  try {
    return await checkReachability(definitions, transport)
  } finally {
    await transport.close()
  }
}

function summary({ definitions, canonical, problems }: RegistryDirectory): string {
  const models = definitions.reduce((sum, each) => sum + each.models.length, 0)
  const counts = [
    counted(definitions.length, 'provider'),
    counted(models, 'listed model'),
    counted(canonical.models.size, 'canonical model'),
  ]
  const all = counts.join(', ')
  return problems.length === 0 ? `Valid: ${all}.` : `${counted(problems.length, 'problem')}; good are ${all}.`
}

function problemLine({ file, line, column, path, message, code }: FileProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`
  return plain(`  ${place}: ${path === '' ? '' : `${path}: `}${message} [${code}]`)
}

function reachTable(reached: readonly Reachability[]): string {
  const rows = reached.map(({ provider, what, ok, evidence, url }) => [provider, what, ok ? 'answers' : 'FAILS', evidence, url])
  return `\n${table(['provider', 'what', 'verdict', 'evidence', 'url'], rows)}`
}
