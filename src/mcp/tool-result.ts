/** Results of tools: the structured value and the same JSON as text, for values and for errors. */
import { type RouteplaneError, answerStatus, isCommitted, toRouteplaneError } from '../errors.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import { askedIn } from './payment.ts'
import type { ResourceLink } from './tool.ts'

type TextContent = { readonly type: 'text'; readonly text: string }
type LinkContent = ResourceLink & { readonly type: 'resource_link'; readonly mimeType: string }

export type ToolResult = {
  readonly content: (TextContent | LinkContent)[]
  readonly structuredContent: Record<string, unknown>
  readonly isError?: true
  readonly _meta?: Record<string, unknown>
}

/** An answer that failed after it had begun: the error, and the text that had come and may be paid for. */
export class BrokenAnswer extends Error {
  override readonly name = 'BrokenAnswer'
  readonly error: RouteplaneError
  readonly partialText: string

  constructor(error: RouteplaneError, partialText: string) {
    super(error.message, { cause: error })
    this.error = error
    this.partialText = partialText
  }
}

/** Writes the text first and reads the structure back from it, so that the two cannot differ. */
export function toolResult(value: Readonly<Record<string, unknown>>, links: readonly ResourceLink[] = []): ToolResult {
  const text = JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? member.toString() : member))
  const parsed = parseJson(text)
  const linked = links.map((link) => ({ type: 'resource_link' as const, mimeType: 'application/json', ...link }))
  return { content: [{ type: 'text', text }, ...linked], structuredContent: isRecord(parsed) ? parsed : {} }
}

/** An error that the calling model can act on. */
export function errorResult(thrown: unknown): ToolResult {
  const error = thrown instanceof BrokenAnswer ? thrown.error : toRouteplaneError(thrown)
  const asked = error.challenge === undefined ? undefined : askedIn(error.challenge)
  const meta = asked === undefined || Object.keys(asked.meta).length === 0 ? {} : { _meta: asked.meta }
  // In the very shape that paying clients look for, and without what came of an answer that is not paid.
  if (asked?.required !== undefined) return { ...toolResult(asked.required), ...meta, isError: true }
  const partialText = thrown instanceof BrokenAnswer ? thrown.partialText : ''
  const value = {
    code: error.code,
    message: error.message,
    hint: error.hint,
    money: error.money,
    retryable: isRetryable(error),
    retry_after_ms: error.retryAfterMs,
    details: error.details,
    partial_text: partialText === '' ? undefined : partialText,
  }
  return { ...toolResult(value), ...meta, isError: true }
}

/** The same call may simply be made again: no money is on its way, and the reason is one that passes. */
function isRetryable(error: RouteplaneError): boolean {
  // A ledger that a newer program has written stays so.
  const isForGood = error.code === 'store_unavailable' && error.details['reason'] === 'version'
  return !isCommitted(error.money) && !isForGood && [429, 502, 503, 504].includes(answerStatus(error))
}
