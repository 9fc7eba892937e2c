/** The environment of the process, read once and passed on: the only door to `process.env` and to the home directory. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Secret } from '../lib/log.ts'

/**
 * What the outside world says about this process. A closure and not a record, so that printing a config can never
 * print every variable of the machine.
 */
export type Environment = {
  /** @returns `undefined` when the variable is not set or is empty: an empty key is no key. */
  get(name: string): string | undefined
  readonly homeDirectory: string
  readonly workingDirectory: string
  readonly platform: NodeJS.Platform
}

/** Reads the environment of this process. */
export function readEnvironment(): Environment {
  return createEnvironment({ ...process.env }, homedir(), process.cwd())
}

/** Makes an environment from plain values, for tests and for hosts that have their own idea of it. */
export function createEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
  homeDirectory: string,
  workingDirectory: string,
  platform: NodeJS.Platform = process.platform,
): Environment {
  const known = new Map(Object.entries(variables))
  return {
    get: (name) => {
      const value = known.get(name)
      return value === '' ? undefined : value
    },
    homeDirectory,
    workingDirectory,
    platform,
  }
}

/** Where Routeplane keeps what it must remember: `$ROUTEPLANE_HOME`, else `~/.routeplane`. */
export function stateDirectory(environment: Environment): string {
  const own = environment.get('ROUTEPLANE_HOME')
  if (own === undefined) return join(environment.homeDirectory, '.routeplane')
  return resolve(environment.workingDirectory, own)
}

/** Resolves a path a user wrote: `~/` is his home, anything relative starts at `base`. */
export function resolvePath(path: string, base: string, environment: Environment): string {
  if (path === '~') return environment.homeDirectory
  if (path.startsWith('~/')) return join(environment.homeDirectory, path.slice(2))
  return resolve(base, path)
}

/** The same environment with one more variable; the process's own stays as it is. */
export function withVariable(environment: Environment, name: string, value: Secret): Environment {
  return { ...environment, get: (wanted) => (wanted === name ? value.reveal() : environment.get(wanted)) }
}

/** The variables of a child process: ours and some more. */
export function childVariables(more: Readonly<Record<string, Secret>>): Record<string, string | undefined> {
  return { ...process.env, ...Object.fromEntries(Object.entries(more).map(([name, value]) => [name, value.reveal()])) }
}
