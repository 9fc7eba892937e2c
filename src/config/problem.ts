/** One complaint about a config with its place, and the error that carries all of them. */
import { RouteplaneError, errorTable, type ErrorCode } from '../errors.ts'
import { formatPath, type Path } from '../lib/path.ts'
import type { Position } from '../lib/yaml.ts'

export type Problem = {
  readonly path: Path
  /** Finer than the error's own code: `unknown_key`, `insecure_api_base`, … */
  readonly code: string
  readonly message: string
  readonly position?: Position | undefined
  readonly hint?: string | undefined
}

/**
 * Makes one error of all problems: the message is the first one, `details.problems` has every one.
 *
 * The error's code is the first problem's when that is a code of ours, else `config_invalid`.
 */
export function configError(problems: readonly [Problem, ...Problem[]], file: string | undefined): RouteplaneError {
  const [first, ...rest] = problems
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more)`
  const code: ErrorCode = first.code in errorTable ? (first.code as ErrorCode) : 'config_invalid'
  return new RouteplaneError(code, `${sentence(first, file)}${more}`, {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    details: {
      ...(file === undefined ? {} : { file }),
      problems: problems.map((problem) => ({
        path: formatPath(problem.path),
        code: problem.code,
        message: problem.message,
        ...problem.position,
      })),
    },
  })
}

function sentence(problem: Problem, file: string | undefined): string {
  const place = problem.position === undefined ? '' : `:${problem.position.line}:${problem.position.column}`
  const where = [`${file ?? 'config'}${place}`, formatPath(problem.path)].filter((part) => part !== '')
  return `${where.join(': ')}: ${problem.message}`
}
