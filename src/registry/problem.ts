/** One complaint about a registry file with its place, and the error that carries all of them. */
import type * as z from 'zod'
import { RouteplaneError } from '../errors.ts'
import { formatPath, type Path } from '../lib/path.ts'
import type { Position } from '../lib/yaml.ts'

/** Says where a path was written, when that is known. */
export type Locate = (path: Path) => Position | undefined

export type Problem = {
  /** As a person would say it: `payment.modes[0]`; empty for the file as a whole. */
  readonly path: string
  /** Finer than the error's own code: `unknown_key`, `zero_address`, `private_address`, … Stable. */
  readonly code: string
  readonly message: string
  readonly line?: number
  readonly column?: number
}

export function createProblem(code: string, message: string, path: Path = [], position?: Position): Problem {
  return { path: formatPath(path), code, message, ...position }
}

/**
 * Makes one `manifest_invalid` of all problems: the message is the first one with its place, `details.problems` has them all.
 *
 * @param file - Named in the message; a name, not a whole path of this machine.
 */
export function manifestInvalid(problems: readonly [Problem, ...Problem[]], file?: string): RouteplaneError {
  const [first, ...rest] = problems
  const place = first.line === undefined ? '' : `:${first.line}:${first.column ?? 1}`
  const where = [`${file ?? 'manifest'}${place}`, first.path].filter((part) => part !== '').join(': ')
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more)`
  return new RouteplaneError('manifest_invalid', `${where}: ${first.message}${more}`, {
    hint: 'Correct the file and run `routeplane registry validate`.',
    details: { ...(file === undefined ? {} : { file }), problems },
  })
}

/** Reads the problems back from an error of {@link manifestInvalid}; any other error becomes one problem of its code. */
export function problemsOf(thrown: unknown): readonly Problem[] {
  if (!(thrown instanceof RouteplaneError)) throw thrown
  const { problems } = thrown.details
  return Array.isArray(problems) ? (problems as readonly Problem[]) : [createProblem(thrown.code, thrown.message)]
}

/** Adds a complaint with a code of ours to a schema's own, below the value that is being checked. */
export function complain(context: z.RefinementCtx, code: string, message: string, path: Path = []): void {
  context.addIssue({ code: 'custom', message, params: { code }, path: [...path] })
}

/** Turns a schema's complaints into problems, each at the place it was written. */
export function problemsOfIssues(error: z.ZodError, locate: Locate): readonly [Problem, ...Problem[]] {
  const [first, ...rest] = error.issues.map((issue) => {
    const steps = issue.path.filter((step) => typeof step !== 'symbol')
    const path = issue.code === 'unrecognized_keys' ? [...steps, ...issue.keys.slice(0, 1)] : steps
    return createProblem(codeOf(issue), issue.message, path, locate(path))
  })
  return [first ?? createProblem('manifest_invalid', error.message), ...rest]
}

function codeOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'unknown_key'
  const code: unknown = issue.code === 'custom' ? issue.params?.['code'] : undefined
  return typeof code === 'string' ? code : 'invalid_value'
}
