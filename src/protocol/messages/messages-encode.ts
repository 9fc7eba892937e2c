/** Encodes system blocks and turns as the system and messages of a Messages request. */
import type { CompletionRequest, Content, SystemBlock, TextContent, Turn } from '../../completion/request.ts'
import { approximated, refusal, unsupported, type Loss } from '../loss.ts'
import { emptyTurn, encodePart, refuseShown, type ContentContext } from './content-encode.ts'
import type { ModelTraits } from './model-traits.ts'

type Json = Readonly<Record<string, unknown>>

type Role = 'user' | 'assistant' | 'system'

/** A message under way: the results of tools come first in it, whenever they were said. */
type Draft = { readonly role: Role; readonly results: Json[]; readonly blocks: Json[] }

export type MessagesContext = ContentContext & { readonly traits: ModelTraits }

export type EncodedConversation = { readonly system: readonly Json[]; readonly messages: readonly Json[] }

/** Who has nothing to say still has to speak first. */
const OPENING = 'Go on.'

/**
 * Encodes the conversation: turns of one side that follow each other become one message, and the results of tools stand first
 * in theirs.
 */
export function encodeConversation(request: Pick<CompletionRequest, 'system' | 'turns'>, context: MessagesContext): EncodedConversation {
  const drafts: Draft[] = []
  const system = request.system.flatMap((block, at) => encodeSystem(block, `system[${at}]`, context))
  for (const [at, turn] of request.turns.entries()) {
    const path = `messages[${at}]`
    if (turn.name !== undefined) context.losses.push(unsupported(`${path}.name`, 'message.name', 'Messages has no names of speakers'))
    if (turn.role === 'system' || turn.role === 'developer') addSystemTurn(drafts, request.turns, at, context)
    else addTurn(drafts, turn, path, context)
  }
  const written = drafts.map(({ role, results, blocks }) => ({ role, content: [...results, ...blocks] }))
  return withOpening(system, withPrefill(written, request.turns, context), context.losses)
}

function encodeSystem({ text, role, cache }: SystemBlock, path: string, { marks, losses }: MessagesContext): readonly Json[] {
  if (text.trim() === '') return []
  if (role === 'developer') losses.push(rankLoss(path))
  return [marks.put({ type: 'text', text }, cache, path)]
}

function rankLoss(path: string): Loss {
  return approximated(path, 'system.rank', 'the developer speaks with the rank of the system')
}

function draftOf(drafts: Draft[], role: Role): Draft {
  const last = drafts.at(-1)
  if (last?.role === role) return last
  const draft: Draft = { role, results: [], blocks: [] }
  drafts.push(draft)
  return draft
}

function addTurn(drafts: Draft[], turn: Turn, path: string, context: MessagesContext): void {
  const role = turn.role === 'assistant' ? 'assistant' : 'user'
  const encoded = turn.parts.flatMap((part, at) => {
    const where = `${path}.content[${at}]`
    if (role === 'assistant' && refuseShown(part, where, context.losses)) return []
    return encodePart(part, where, context).map((block) => ({ part, block }))
  })
  if (encoded.length === 0) {
    if (turn.parts.every(({ type }) => type === 'text')) context.losses.push(emptyTurn(path))
    return
  }
  const draft = draftOf(drafts, role)
  for (const { part, block } of encoded) (part.type === 'tool-result' ? draft.results : draft.blocks).push(block)
}

/**
 * Puts a word of the system where it was said. The newer models take it as a message of its own between the user's and the
 * assistant's; elsewhere it is fenced in what the user says, since moving it would change what it follows.
 */
function addSystemTurn(drafts: Draft[], turns: readonly Turn[], at: number, context: MessagesContext): void {
  const path = `messages[${at}]`
  const turn = turns[at]
  const texts = (turn?.parts ?? []).flatMap((part, index) => systemText(part, `${path}.content[${index}]`, context.losses))
  if (texts.length === 0) return
  if (turn?.role === 'developer') context.losses.push(rankLoss(path))
  const next = turns.slice(at + 1).find(({ role }) => role !== 'system' && role !== 'developer')
  const before = drafts.at(-1)?.role
  const isBetween = (before === 'user' || before === 'system') && (next === undefined || next.role === 'assistant')
  if (context.traits.systemTurns && isBetween) {
    const { blocks } = draftOf(drafts, 'system')
    for (const { text, cache } of texts) blocks.push(context.marks.put({ type: 'text', text }, cache, path))
    return
  }
  context.losses.push(approximated(path, 'system.position', 'a later system message is fenced in the user message at its place'))
  const { blocks } = draftOf(drafts, 'user')
  for (const { text, cache } of texts) blocks.push(context.marks.put({ type: 'text', text: `<system>\n${text}\n</system>` }, cache, path))
}

function systemText(part: Content, path: string, losses: Loss[]): readonly TextContent[] {
  if (part.type === 'text') return part.text.trim() === '' ? [] : [part]
  losses.push(refusal(path, 'content.foreign', 'a system message can only say text'))
  return []
}

/** A last message of the assistant's is to be gone on from, which not every model does. */
function withPrefill(messages: readonly Json[], turns: readonly Turn[], { traits, losses }: MessagesContext): readonly Json[] {
  const last = messages.at(-1)
  if (last?.['role'] !== 'assistant') return messages
  const path = `messages[${turns.length - 1}]`
  if (!traits.prefill) {
    losses.push(refusal(path, 'prefill', 'this model does not go on from an answer that was begun for it'))
    return messages
  }
  return trimEnd(messages, path, losses)
}

/** The vendor refuses a beginning that ends in white space, which the model would write itself. */
function trimEnd(messages: readonly Json[], path: string, losses: Loss[]): readonly Json[] {
  const last = messages.at(-1)
  const content = last?.['content'] as readonly Json[]
  const block = content.at(-1)
  const text = block?.['text']
  if (block?.['type'] !== 'text' || typeof text !== 'string' || text.trimEnd() === text) return messages
  losses.push(approximated(path, 'prefill', 'white space at its end is cut off'))
  return [...messages.slice(0, -1), { ...last, content: [...content.slice(0, -1), { ...block, text: text.trimEnd() }] }]
}

/** A conversation begins with the user; where only the system has spoken, its words are what he says. */
function withOpening(system: readonly Json[], messages: readonly Json[], losses: Loss[]): EncodedConversation {
  const [first] = messages
  if (first === undefined) {
    losses.push(approximated('messages', 'system.position', 'without a user message the system message takes its place'))
    return { system: [], messages: [{ role: 'user', content: system.length === 0 ? [{ type: 'text', text: OPENING }] : system }] }
  }
  if (first['role'] !== 'assistant') return { system, messages }
  losses.push(approximated('messages[0]', 'message.role', 'a short user message is put before the first of the assistant'))
  return { system, messages: [{ role: 'user', content: [{ type: 'text', text: OPENING }] }, ...messages] }
}
