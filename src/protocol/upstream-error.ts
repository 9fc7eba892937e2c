/** What the wires have in common in reading the errors of upstreams. */
import type { ErrorCode } from '../errors.ts'
import { scrub } from '../lib/log.ts'

const MAX_UPSTREAM_TEXT = 300

/** Gives our code for the status of an answer, or for the one that a stream's event would have had. */
export function codeOfStatus(status: number | undefined): ErrorCode {
  switch (status) {
    case 400:
    case 422:
      return 'invalid_request'
    case 413:
      return 'body_too_large'
    case 429:
      return 'upstream_rate_limited'
    case 408:
    case 504:
      return 'upstream_timeout'
    default:
      return 'upstream_error'
  }
}

/** An upstream's words may hold keys, addresses and control characters: bounded, on one line, and scrubbed. */
export function cleanText(value: unknown): string {
  if (typeof value !== 'string') return ''
  return scrub(value.slice(0, 4 * MAX_UPSTREAM_TEXT).replace(/[\p{Cc}\u2028\u2029]+/gu, ' '))
    .slice(0, MAX_UPSTREAM_TEXT)
    .trim()
}

/** The same for a word: its first 80 characters, `undefined` when there is none. */
export function shortText(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : cleanText(value).slice(0, 80)
  return text === '' ? undefined : text
}
