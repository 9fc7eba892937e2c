/** Reads the text of a config: YAML → environment → schema → frozen `Config`, with line and column in every complaint. */
import { readYaml, type YamlFault, type YamlText } from '../lib/yaml.ts'
import type { Path } from '../lib/path.ts'
import { checkConfig, throwIfAny } from './check.ts'
import type { Config } from './config.ts'
import type { Environment } from './environment.ts'
import { expand, hasReference, isExpandable } from './expand.ts'
import { findKey } from './key-guard.ts'
import { configError, type Problem } from './problem.ts'

/** A config of thousands of models stays far below this. */
export const MAX_CONFIG_BYTES = 256 * 1024

export type ParseOptions = { readonly file?: string; readonly environment: Environment }

/**
 * Reads the text of a config.
 *
 * @throws RouteplaneError `config_invalid`, `aliases_forbidden`, `nesting_too_deep`, `env_not_set`, `env_syntax`,
 *   `key_in_config` or `invalid_amount`; `details.problems` lists each with its path, line and column.
 */
export function parseConfig(text: string, { file, environment }: ParseOptions): Config {
  const refuse = ([first, ...rest]: readonly [YamlFault, ...YamlFault[]]) => configError([inWhole(first), ...rest.map(inWhole)], file)
  const yaml = readYaml(text, { maxBytes: MAX_CONFIG_BYTES, refuse })
  const locate = (path: Path) => yaml.locate(path)
  const value = yaml.value ?? {}
  const found = findKey(value)
  if (found !== undefined) throw configError([{ ...found, position: locate(found.path) }], file)
  const problems: Problem[] = []
  const expanded = walk(value, [], (scalar, path) => readScalar(scalar, path, { yaml, environment, problems }))
  throwIfAny(problems, file, locate)
  return checkConfig(expanded, file, environment, locate)
}

/** What is wrong with the text itself has a place, and no path. */
function inWhole(fault: YamlFault): Problem {
  return { path: [], ...fault }
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
