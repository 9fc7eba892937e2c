/** Refuses a caller's request with the JSON path of what is wrong in it, the same way on every protocol. */
import type * as z from 'zod'
import { RouteplaneError, type ErrorCode } from '../errors.ts'
import { formatPath } from '../lib/path.ts'

/** Keys are the caller's own text: an error does not carry more of one than it takes to find it. */
const MAX_PATH_CHARACTERS = 200

/** Makes a refusal; `path` is written like `messages[0].content`, and also stands in `details.path`. */
export function invalidRequest(where: string, problem: string, code: ErrorCode = 'invalid_request'): RouteplaneError {
  const path = where.slice(0, MAX_PATH_CHARACTERS)
  return new RouteplaneError(code, `${path === '' ? 'the request' : path} ${problem}`.slice(0, 300), { details: { path } })
}

/** A request is read for what routing needs and again when it is translated: what came of the first reading is the same. */
const known = new WeakMap<object, { readonly schema: z.ZodType; readonly data: unknown }>()

/**
 * Reads a caller's JSON, which nobody changes, with a schema.
 *
 * @throws {@link RouteplaneError} `invalid_request` naming the first thing wrong, never echoing a value.
 */
export function readWire<T>(schema: z.ZodType<T>, json: unknown): T {
  const own = typeof json === 'object' && json !== null ? known.get(json) : undefined
  if (own?.schema === schema) return own.data as T
  const parsed = schema.safeParse(json, { reportInput: true })
  if (parsed.success) {
    if (typeof json === 'object' && json !== null) known.set(json, { schema, data: parsed.data })
    return parsed.data
  }
  const { path, problem } = deepest(parsed.error.issues)
  throw invalidRequest(formatPath(path), problem)
}

type Found = { readonly path: readonly PropertyKey[]; readonly problem: string }

/** A union complains once per branch: the branch that got furthest is the one the caller meant. */
function deepest(issues: readonly z.core.$ZodIssue[]): Found {
  const [first] = issues
  if (first === undefined) return { path: [], problem: 'is not valid' }
  if (first.code !== 'invalid_union' || first.errors.length === 0) return { path: first.path, problem: describe(first) }
  const branches = first.errors.map((branch) => deepest(branch))
  const best = branches.reduce((a, b) => (b.path.length > a.path.length ? b : a))
  if (best.path.length === 0) return { path: first.path, problem: 'is not of a form that is taken here' }
  return { path: [...first.path, ...best.path], problem: best.problem }
}

function describe(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${issue.expected === 'int' ? 'a whole number' : `of type ${issue.expected}`}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'invalid_union':
      return 'is not one of the known kinds'
    case 'too_small':
      return `${bound(issue)} ${issue.inclusive === false ? 'more than' : 'at least'} ${String(issue.minimum)}${unit(issue)}`
    case 'too_big':
      return `${bound(issue)} ${issue.inclusive === false ? 'less than' : 'at most'} ${String(issue.maximum)}${unit(issue)}`
    case 'unrecognized_keys':
      return `has an unknown field ${JSON.stringify(issue.keys[0]?.slice(0, 60))}`
    case 'custom':
      return issue.message
    default:
      return 'is not valid'
  }
}

function bound({ origin }: { readonly origin: string }): string {
  return origin === 'array' || origin === 'string' ? 'must have' : 'must be'
}

function unit({ origin }: { readonly origin: string }): string {
  if (origin === 'array') return ' items'
  return origin === 'string' ? ' characters' : ''
}

/** Writes what went wrong and what to do about it as the sentences that a person reads who sees only the message. */
export function toldWithHint(message: string, hint: string | undefined): string {
  if (hint === undefined) return message
  return /[.!?:]$/.test(message) ? `${message} ${hint}` : `${message}. ${hint}`
}
