/** Finds the config file, if there is one, and reads it. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import { checkConfig } from './check.ts'
import type { Config } from './config.ts'
import { readEnvironment, stateDirectory, type Environment } from './environment.ts'
import { knownProviders } from './known-providers.ts'

export const CONFIG_FILE = 'routeplane.yaml'

export type LoadOptions = {
  /** A file the user named: it must exist. Relative to the working directory. */
  readonly file?: string
  /** Default: the environment of this process. */
  readonly environment?: Environment
}

/**
 * Loads the config: the named file, else `./routeplane.yaml`, `$ROUTEPLANE_HOME/routeplane.yaml`,
 * `~/.routeplane/routeplane.yaml`, else what the environment's keys allow.
 *
 * @throws RouteplaneError `config_invalid`, `aliases_forbidden`, `nesting_too_deep`, `env_not_set`, `env_syntax`,
 *   `key_in_config` or `invalid_amount`; `details.problems` lists each with its path, line and column.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<Config> {
  const environment = options.environment ?? readEnvironment()
  if (options.file !== undefined) {
    const file = resolve(environment.workingDirectory, options.file)
    const text = await readIfThere(file)
    if (text !== undefined) return parse(text, file, environment)
    throw new RouteplaneError('config_invalid', `there is no config at ${file}`, {
      hint: `Write a starter with "routeplane init -c ${options.file}".`,
      details: { file },
    })
  }
  for (const file of configCandidates(environment)) {
    const text = await readIfThere(file)
    if (text !== undefined) return parse(text, file, environment)
  }
  return zeroConfig(environment)
}

/** The places where a config is looked for, most particular first; absolute. */
export function configCandidates(environment: Environment): readonly string[] {
  const places = [environment.workingDirectory, stateDirectory(environment), join(environment.homeDirectory, '.routeplane')]
  return [...new Set(places.map((place) => join(place, CONFIG_FILE)))]
}

/** The config without a file: every known provider whose key is in the environment. */
export function zeroConfig(environment: Environment): Config {
  const present = knownProviders.filter(({ env }) => environment.get(env) !== undefined)
  return configFrom({ providers: Object.fromEntries(present.map(({ id }) => [id, {}])) }, environment)
}

/** Reads a config from plain values in the file's own spelling, for programs that embed Routeplane. Expands nothing. */
export function configFrom(value: unknown, environment: Environment): Config {
  return checkConfig(value, undefined, environment)
}

/** The parser of YAML is loaded for those who have a file. */
async function parse(text: string, file: string, environment: Environment): Promise<Config> {
  const { parseConfig } = await import('./parse.ts')
  return parseConfig(text, { file, environment })
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new RouteplaneError('config_invalid', `the config at ${file} cannot be read (${code ?? 'unknown cause'})`, {
      details: { file },
      cause,
    })
  }
}
