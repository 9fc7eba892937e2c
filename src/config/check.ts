/** Checks plain values against the schema, and makes the frozen `Config` of them. */
import type * as z from 'zod'
import { RouteplaneError } from '../errors.ts'
import type { Path } from '../lib/path.ts'
import type { Position } from '../lib/yaml.ts'
import { buildConfig } from './build.ts'
import type { Config } from './config.ts'
import type { Environment } from './environment.ts'
import { configError, type Problem } from './problem.ts'
import { configSchema } from './schema.ts'

/** A config is read once: to compile its schema would take longer than to walk it, and every start waits for this. */
const UNCOMPILED = { jitless: true } as const

export type Locate = (path: Path) => Position | undefined

/**
 * Checks the values of a config in the file's own spelling.
 *
 * @throws RouteplaneError `config_invalid` or the code of the first problem, naming `file` and the places that `locate` knows.
 */
export function checkConfig(value: unknown, file: string | undefined, environment: Environment, locate: Locate = () => undefined): Config {
  const result = configSchema.safeParse(value, UNCOMPILED)
  throwIfAny(result.success ? [] : result.error.issues.map(toProblem), file, locate)
  if (!result.success) throw new RouteplaneError('config_invalid', 'the config is not valid')
  const { config, problems } = buildConfig(result.data, file, environment)
  throwIfAny(problems, file, locate)
  return config
}

/** @throws one error of all problems. */
export function throwIfAny(problems: readonly Problem[], file: string | undefined, locate: Locate): void {
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
