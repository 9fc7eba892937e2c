/** Spells the ids of tool calls so that a wire accepts them, the same way in a call and in its result. */
import { createHash } from 'node:crypto'
import { createRenameTable, hashedSpelling, type RenameTable, type Spelling } from './rename-table.ts'

/** Whose rule an id must obey. */
export type IdRule = 'openai' | 'anthropic' | 'google'

/** Short enough for the strictest OpenAI-compatible servers (40). */
const MAX_MAPPED_ID = 40

/**
 * The rules: OpenAI at most 64 characters, Anthropic `^[a-zA-Z0-9_-]+$`, Google any text. An id for OpenAI keeps to
 * the plain set too, since compatible servers put it into paths and logs.
 *
 * @see https://docs.anthropic.com/en/api/messages, `tool_use.id`
 */
const spellings = {
  openai: spelling(/^[A-Za-z0-9_-]{1,64}$/),
  anthropic: spelling(/^[A-Za-z0-9_-]+$/),
  google: spelling(/^[^]+$/),
} as const satisfies Record<IdRule, Spelling>

/**
 * Gives the wire's spelling of an id: itself when it fits, else a cleaned prefix and 8 hex digits of its SHA-256.
 *
 * Depends on nothing but its arguments, so that history sent again maps the same, calls and results alike.
 */
export function wireToolId(id: string, rule: IdRule): string {
  return spellings[rule].fits(id) ? id : hashedSpelling(id, spellings[rule])
}

/**
 * Maps all ids of one request, one-to-one and reversibly; agrees with {@link wireToolId} unless two ids would meet.
 */
export function mapToolIds(ids: Iterable<string>, rule: IdRule): RenameTable {
  return createRenameTable(ids, spellings[rule])
}

/**
 * Makes the id of a call that its upstream left without one; the same answer read twice gives the same id.
 *
 * @param ordinal - The place of the call among the calls of its candidate, from 0.
 */
export function deriveToolId(responseId: string, candidate: number, ordinal: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([responseId, candidate, ordinal]))
    .digest('hex')
  return `call_${hash.slice(0, 24)}`
}

function spelling(pattern: RegExp): Spelling {
  return {
    fits: (id) => pattern.test(id),
    clean: (id) => id.replace(/[^A-Za-z0-9_-]/g, '_') || 'call',
    maxLength: MAX_MAPPED_ID,
    hash: 'always',
  }
}
