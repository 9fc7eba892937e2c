/** What the registry commands share: which directory is meant, how words and missing answers are read, and how a change is told. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { resolvePath } from '../config/environment.ts'
import { RouteplaneError } from '../errors.ts'
import type { RegistryDirectory } from '../registry/directory.ts'
import { packagedRegistry } from '../registry/packaged.ts'
import type { Command, CommandResult } from './command.ts'
import type { CommandContext } from './context.ts'
import { usage, type Invocation } from './invocation.ts'
import { loadFor } from './session.ts'

/** Options of every registry command. */
export const registryOptions = {
  dir: { type: 'string', value: '<dir>', summary: 'The registry; else the folder you are in, else registry.path of the config.' },
  'allow-loopback': { type: 'boolean', summary: 'Let manifests point at this machine.' },
} as const satisfies Command['options']

/**
 * Finds the registry to read: the one named, the folder we are in, the config's, and last the one of the package.
 *
 * @throws RouteplaneError `usage` when the named one is not there.
 */
export async function registryToRead(invocation: Invocation, context: CommandContext): Promise<string> {
  const found = await findRegistry(invocation, context)
  if (found !== undefined) return found
  const packaged = packagedRegistry()
  if (packaged === undefined) throw noRegistry()
  return packaged
}

/** Finds the registry to change; the package's own is not one. @throws RouteplaneError `usage` when there is none. */
export async function registryToChange(invocation: Invocation, context: CommandContext): Promise<string> {
  const found = await findRegistry(invocation, context)
  if (found === undefined) throw noRegistry()
  return found
}

async function findRegistry(invocation: Invocation, context: CommandContext): Promise<string | undefined> {
  const { environment } = context
  const here = resolve(environment.workingDirectory)
  const named = invocation.text('dir')
  if (named !== undefined) {
    const directory = resolvePath(named, here, environment)
    if (existsSync(directory)) return directory
    throw new RouteplaneError('usage', `there is no folder ${directory}`, { details: { problem: 'no_registry' } })
  }
  if (existsSync(join(here, 'providers')) || existsSync(join(here, 'canonical.yaml'))) return here
  const { registry } = await loadFor(invocation, context)
  return registry.path
}

function noRegistry(): RouteplaneError {
  return new RouteplaneError('usage', 'there is no registry here', {
    hint: 'Go to one, name it with --dir, or set registry.path in the config.',
    details: { problem: 'no_registry' },
  })
}

/** Loads the directory a command is about, and with it the parser of YAML, which no other command should wait for. */
export async function readRegistry(directory: string, invocation: Invocation): Promise<RegistryDirectory> {
  const { loadRegistryDirectory } = await import('../registry/directory.ts')
  return loadRegistryDirectory(directory, { allowLoopback: invocation.flag('allow-loopback') })
}

/** Reads `a,b,c`. */
export function wordsOf(invocation: Invocation, option: string): readonly string[] | undefined {
  const text = invocation.text(option)
  return text
    ?.split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

export type Question = { readonly option: string; readonly question: string; readonly isRequired?: boolean }

/**
 * Completes options by asking, when a person is there. Nobody is ever waited for in a script.
 *
 * @returns the answers by option, those of the command line first.
 * @throws RouteplaneError `usage` naming the first required option that stayed empty.
 */
export async function askMissing(
  command: Command,
  invocation: Invocation,
  { terminal }: CommandContext,
  questions: readonly Question[],
): Promise<(option: string) => string | undefined> {
  const answers = new Map<string, string>()
  for (const { option, question, isRequired } of questions) {
    if (invocation.text(option) !== undefined) continue
    const answer = terminal.isInteractive ? (await terminal.ask(`${question}: `)).trim() : ''
    if (answer !== '') answers.set(option, answer)
    else if (isRequired === true) throw usage(command, 'missing_option', `--${option} is missing`)
  }
  return (option) => invocation.text(option) ?? answers.get(option)
}

/** Writes a file after the directory has been checked with it, and says so. */
export async function commit(directory: string, file: string, text: string | undefined, invocation: Invocation): Promise<CommandResult> {
  const { commitRegistryFile } = await import('../registry/registry-commit.ts')
  const changed = await commitRegistryFile(directory, file, text, { allowLoopback: invocation.flag('allow-loopback') })
  const done = text === undefined ? 'Deleted' : 'Wrote'
  return { text: changed ? `${done} ${file}` : `${file} is as it was`, value: { directory, file, changed } }
}
