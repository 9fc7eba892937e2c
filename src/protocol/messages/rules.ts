/** The rules of a Messages request that a schema cannot say: turns, tool results, cache marks, thinking, versions. */
import { isRecord } from '../../lib/json.ts'
import { invalidRequest, readWire } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'
import {
  countRequestSchema,
  messagesRequestSchema,
  toolResultBlock,
  toolUseBlock,
  type CountRequest,
  type Message,
  type MessagesRequest,
} from './schema.ts'
import { readBetas, readVersion, type ApiVersion } from './version.ts'

/** @see https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching, "Cache limitations" */
export const MAX_CACHE_MARKS = 4

/** @see https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking, "Working with thinking budgets" */
const MIN_BUDGET = 1024

/** With this feature a budget covers all thinking of a turn, between its tool calls too, and may exceed one answer's limit. */
const INTERLEAVED = 'interleaved-thinking'

/**
 * Reads a request for an answer.
 *
 * @throws RouteplaneError `invalid_request` naming the JSON path or the header: what the vendor would refuse is refused before
 *   anything is paid.
 */
export function readMessagesRequest(wire: WireRequest): MessagesRequest {
  const json = readWire(messagesRequestSchema, wire.json)
  checkBudget(json, readBetas(wire.headers))
  checkAll(json, readVersion(wire.headers))
  return json
}

/** Reads a request for a count, which has no limit of output. @throws RouteplaneError as {@link readMessagesRequest}. */
export function readCountRequest(wire: WireRequest): CountRequest {
  const json = readWire(countRequestSchema, wire.json)
  readBetas(wire.headers)
  checkAll(json, readVersion(wire.headers))
  return json
}

function checkAll(json: CountRequest, version: ApiVersion): void {
  if (version === '2026-10-21') checkNewVersion(json)
  checkCacheMarks(json)
  // In a thread the vendor has the messages before these.
  if (json['thread'] === undefined || json['thread'] === null) checkTurns(json.messages)
}

function checkBudget({ thinking, max_tokens: limit }: MessagesRequest, betas: readonly string[]): void {
  if (thinking?.type !== 'enabled') return
  const path = 'thinking.budget_tokens'
  const budget = thinking.budget_tokens ?? undefined
  if (budget === undefined) throw invalidRequest(path, 'is missing')
  if (budget < MIN_BUDGET) throw invalidRequest(path, `must be at least ${MIN_BUDGET}`)
  if (budget >= limit && !betas.some((name) => name.startsWith(INTERLEAVED))) throw invalidRequest(path, 'must be less than max_tokens')
}

/** @see https://docs.anthropic.com/en/api/versioning, `2026-10-21`; what is refused here was taken before. */
function checkNewVersion(json: CountRequest): void {
  for (const name of ['temperature', 'top_p', 'top_k'] as const) {
    if (json[name] !== undefined && json[name] !== null) {
      throw invalidRequest(name, 'is not taken under anthropic-version 2026-10-21', 'unsupported_parameter')
    }
  }
  for (const [at, message] of json.messages.entries()) {
    for (const [index, block] of blocksOf(message).entries()) {
      const path = `messages[${at}].content[${index}]`
      if (message.role === 'assistant' && block.type === 'document')
        throw invalidRequest(path, 'is a document in an assistant message, which anthropic-version 2026-10-21 does not take')
      const { citations } = block
      if (message.role === 'user' && block.type === 'text' && Array.isArray(citations) && citations.length > 0)
        throw invalidRequest(`${path}.citations`, 'must be empty in a user message under anthropic-version 2026-10-21')
    }
  }
}

function blocksOf(message: Message): Exclude<Message['content'], string> {
  return typeof message.content === 'string' ? [] : message.content
}

function checkCacheMarks(json: CountRequest): void {
  const blocks = json.messages.flatMap(blocksOf)
  const inner = blocks.flatMap((block) => (block.type === 'tool_result' && Array.isArray(block['content']) ? block['content'] : []))
  const system = typeof json.system === 'string' ? [] : (json.system ?? [])
  const marked = [json, ...system, ...(json.tools ?? []), ...blocks, ...inner].filter(
    (place: unknown) => isRecord(place) && isRecord(place['cache_control']),
  )
  if (marked.length > MAX_CACHE_MARKS)
    throw invalidRequest('cache_control', `marks ${marked.length} blocks; at most ${MAX_CACHE_MARKS} may be marked`)
}

/**
 * Checks that the conversation begins with the user, and that calls and results belong together: the results of an assistant's
 * calls stand in the user messages that follow it, all of them, and nowhere else.
 */
function checkTurns(messages: readonly Message[]): void {
  if (!isBeginning(messages[0])) throw invalidRequest('messages[0].role', 'must be user: a conversation begins with the user')
  const calls = new Map<string, string>()
  const answered = new Set<string>()
  let last: Message['role'] = 'user'
  for (const [at, message] of messages.entries()) {
    if (message.role === 'system') continue
    if (message.role === 'assistant' && last === 'user') {
      refuseUnanswered(calls, answered)
      calls.clear()
      answered.clear()
    }
    last = message.role
    for (const [index, block] of blocksOf(message).entries()) {
      const path = `messages[${at}].content[${index}]`
      if (block.type === 'tool_use') calls.set(toolUseBlock.parse(block).id, path)
      if (block.type !== 'tool_result') continue
      const { tool_use_id: id } = toolResultBlock.parse(block)
      if (message.role !== 'user' || !calls.has(id))
        throw invalidRequest(`${path}.tool_use_id`, 'names no tool_use of the assistant message before it')
      answered.add(id)
    }
  }
  refuseUnanswered(calls, answered)
}

/** What came before a summary may have been left away. */
function isBeginning(message: Message | undefined): boolean {
  return message?.role === 'user' || (message?.role === 'assistant' && blocksOf(message)[0]?.type === 'compaction')
}

function refuseUnanswered(calls: ReadonlyMap<string, string>, answered: ReadonlySet<string>): void {
  for (const [id, path] of calls) {
    if (!answered.has(id)) throw invalidRequest(path, 'is a tool_use without a tool_result in the message after it')
  }
}
