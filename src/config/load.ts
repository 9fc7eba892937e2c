/** Finds the config file and reads it: text → YAML → environment → schema → frozen `Config`, with line and column in every complaint. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type * as z from 'zod'
import { RouteplaneError } from '../errors.ts'
import { buildConfig } from './build.ts'
import type { Config } from './config.ts'
import { readEnvironment, stateDirectory, type Environment } from './environment.ts'
import { expand, hasReference, isExpandable } from './expand.ts'
import { findKey } from './key-guard.ts'
import { knownProviders } from './known-providers.ts'
import { configError, type Path, type Position, type Problem } from './problem.ts'
import { configSchema } from './schema.ts'
import { readYaml, type YamlText } from './yaml.ts'

export const CONFIG_FILE = 'routeplane.yaml'

/** A config of thousands of models stays far below this. */
export const MAX_CONFIG_BYTES = 256 * 1024

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
    if (text !== undefined) return parseConfig(text, { file, environment })
    throw new RouteplaneError('config_invalid', `there is no config at ${file}`, {
      hint: `Write a starter with "routeplane init -c ${options.file}".`,
      details: { file },
    })
  }
  for (const file of configCandidates(environment)) {
    const text = await readIfThere(file)
    if (text !== undefined) return parseConfig(text, { file, environment })
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
  return check(value, undefined, environment, () => undefined)
}

export type ParseOptions = { readonly file?: string; readonly environment: Environment }

/** Reads the text of a config. @throws RouteplaneError as {@link loadConfig}. */
export function parseConfig(text: string, { file, environment }: ParseOptions): Config {
  const yaml = readYaml(text, { maxBytes: MAX_CONFIG_BYTES, ...(file === undefined ? {} : { file }) })
  const locate = (path: Path) => yaml.locate(path)
  const value = yaml.value ?? {}
  const found = findKey(value)
  if (found !== undefined) throw configError([{ ...found, position: locate(found.path) }], file)
  const problems: Problem[] = []
  const expanded = walk(value, [], (scalar, path) => readScalar(scalar, path, { yaml, environment, problems }))
  throwIfAny(problems, file, locate)
  return check(expanded, file, environment, locate)
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

type ScalarContext = { readonly yaml: YamlText; readonly environment: Environment; readonly problems: Problem[] }

/** Expands variables where they may stand; gives a preset's parameters the types they were written as. */
function readScalar(text: string, path: Path, { yaml, environment, problems }: ScalarContext): unknown {
  const step = path.find((each) => typeof each === 'string' && hasReference(each))
  if (step !== undefined) {
    problems.push({ path, code: 'env_syntax', message: 'variables are expanded in values, not in keys' })
    return text
  }
  if (path[0] === 'presets' && path[2] === 'params' && yaml.isPlain(path)) return typed(text)
  if (!text.includes('${')) return text
  if (hasReference(text) && !isExpandable(path)) {
    problems.push({
      path,
      code: 'env_not_allowed_here',
      message: 'this value may be shown in lists and logs, so it is not read from the environment',
      hint: 'Write the value itself; "$${" stands for a literal "${".',
    })
    return text
  }
  const expansion = expand(text, environment.get)
  if (expansion.ok) return expansion.text
  problems.push({ path, code: expansion.code, message: expansion.message })
  return text
}

/** YAML's own reading of an unquoted scalar, in the small part of it that JSON shares. */
function typed(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?(?:0|[1-9]\d{0,15})(?:\.\d{1,17})?(?:[eE][+-]?\d{1,3})?$/.test(text) ? Number(text) : text
}

function walk(value: unknown, path: Path, visit: (scalar: string, path: Path) => unknown): unknown {
  if (typeof value === 'string') return visit(value, path)
  if (Array.isArray(value)) return value.map((each, index) => walk(each, [...path, index], visit))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, [...path, key], visit)]))
}

type Locate = (path: Path) => Position | undefined

function check(value: unknown, file: string | undefined, environment: Environment, locate: Locate): Config {
  const result = configSchema.safeParse(value)
  throwIfAny(result.success ? [] : result.error.issues.map(toProblem), file, locate)
  if (!result.success) throw new RouteplaneError('config_invalid', 'the config is not valid')
  const { config, problems } = buildConfig(result.data, file, environment)
  throwIfAny(problems, file, locate)
  return config
}

function throwIfAny(problems: readonly Problem[], file: string | undefined, locate: Locate): void {
  const [first, ...rest] = problems.map((problem) => ({ ...problem, position: locate(problem.path) }))
  if (first !== undefined) throw configError([first, ...rest], file)
}

function toProblem(issue: z.core.$ZodIssue): Problem {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  const message = issue.message.replace(/^Invalid input: /, '')
  if (issue.code === 'unrecognized_keys') return { path: [...path, ...issue.keys.slice(0, 1)], code: 'unknown_key', message }
  if (issue.code === 'invalid_key') return { path, code: 'bad_key', message: issue.issues[0]?.message ?? message }
  const named: unknown = issue.code === 'custom' ? issue.params?.['problem'] : undefined
  return { path, code: typeof named === 'string' ? named : 'invalid', message }
}
