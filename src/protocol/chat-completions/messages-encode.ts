/** Encodes system blocks and turns as the messages of Chat Completions. */
import type { ReasoningContent, RefusalContent, SystemBlock, ToolCallContent, ToolResultContent, Turn } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, unsupported } from '../loss.ts'
import type { RenameTable } from '../rename-table.ts'
import { FREEFORM_MEMBER } from '../restore.ts'
import { readList } from './carriers.ts'
import { encodeContent, encodePart, type ContentWork, type Placed } from './content-encode.ts'

type WireMessage = Readonly<Record<string, unknown>>

export type MessageWork = ContentWork & { readonly names: RenameTable; readonly ids: RenameTable }

/** Messages under way: what tool results show waits until the run of tool messages is over, which must stay unbroken. */
type Draft = MessageWork & { readonly messages: WireMessage[]; hoisted: WireMessage[] }

/** Encodes the conversation in order, nothing merged. Turns come with the reasoning that this upstream may see. */
export function encodeMessages(
  { system, turns }: { readonly system: readonly SystemBlock[]; readonly turns: readonly Turn[] },
  work: MessageWork,
): readonly WireMessage[] {
  const draft: Draft = { messages: [], hoisted: [], ...work }
  for (const [index, { text, role, cache }] of system.entries()) {
    const part = { type: 'text', text, ...(cache === undefined ? {} : { cache }) } as const
    draft.messages.push({ role, content: encodeContent([{ part, path: `system[${index}]` }], draft) })
  }
  for (const [index, turn] of turns.entries()) encodeTurn(draft, turn, `messages[${index}]`)
  flushHoisted(draft)
  reportPrefill(turns, draft)
  return draft.messages
}

/** @see https://platform.openai.com/docs/api-reference/chat/create: the model answers a last message, and never goes on with it. */
function reportPrefill(turns: readonly Turn[], { losses }: Draft): void {
  const last = turns.at(-1)
  if (last?.role !== 'assistant' || !last.parts.some(({ type }) => type === 'text')) return
  losses.push(approximated(`messages[${turns.length - 1}]`, 'prefill', 'the model answers it instead of going on with it'))
}

function encodeTurn(draft: Draft, turn: Turn, path: string): void {
  const placed = turn.parts.map((part, index): Placed => ({ part, path: `${path}.content[${index}]` }))
  const others = placed.filter(({ part }) => part.type !== 'tool-result')
  for (const { part, path: where } of placed) {
    if (part.type === 'tool-result') draft.messages.push(encodeResult(draft, part, where))
  }
  if (others.length === 0 && (turn.role === 'tool' || placed.length > 0)) return
  flushHoisted(draft)
  const name = defined({ name: turn.name })
  if (turn.role === 'assistant') draft.messages.push({ role: 'assistant', ...encodeAssistant(others, draft), ...name })
  else draft.messages.push({ role: turn.role === 'tool' ? 'user' : turn.role, content: encodeContent(others, draft), ...name })
}

function flushHoisted(draft: Draft): void {
  if (draft.hoisted.length === 0) return
  draft.messages.push({ role: 'user', content: draft.hoisted })
  draft.hoisted = []
}

function encodeAssistant(placed: readonly Placed[], draft: Draft): WireMessage {
  const calls: ToolCallContent[] = []
  const refusals: RefusalContent[] = []
  const thoughts: Placed<ReasoningContent>[] = []
  const rest: Placed[] = []
  let audio: string | undefined
  for (const { part, path } of placed) {
    if (part.type === 'tool-call') calls.push(part)
    else if (part.type === 'refusal') refusals.push(part)
    else if (part.type === 'reasoning') thoughts.push({ part, path })
    else if (part.type === 'audio' && part.source.kind === 'id' && part.source.wire === 'chat_completions') audio = part.source.id
    else rest.push({ part, path })
  }
  const isBare = rest.length === 0 && (calls.length > 0 || refusals.length > 0 || audio !== undefined)
  return defined({
    content: isBare ? null : encodeContent(rest, draft),
    ...encodeReasoning(thoughts, draft),
    refusal: refusals.length === 0 ? undefined : refusals.map(({ text }) => text).join(''),
    audio: audio === undefined ? undefined : { id: audio },
    tool_calls: calls.length === 0 ? undefined : calls.map((call) => encodeCall(call, draft)),
  })
}

/**
 * Thoughts go back in the fields that servers of reasoning models read, never as prose. The vendor's own has no place for
 * them, but who serves his models with sealed details wants those back: they are here only if this provider issued them.
 */
function encodeReasoning(thoughts: readonly Placed<ReasoningContent>[], { traits, losses }: Draft): WireMessage {
  const details = thoughts.flatMap(({ part }) => detailsIn(part))
  if (!traits.own) {
    const text = thoughts.flatMap(({ part }) => part.text).join('')
    return defined({ reasoning_content: text === '' ? undefined : text, reasoning_details: details.length === 0 ? undefined : details })
  }
  for (const { part, path } of thoughts) {
    if (detailsIn(part).length === 0) losses.push(unsupported(path, 'reasoning.replay', 'this vendor takes no thoughts back on this wire'))
  }
  return details.length === 0 ? {} : { reasoning_details: details }
}

function detailsIn({ carriers }: ReasoningContent): readonly unknown[] {
  return carriers.flatMap(({ kind, value }) => (kind === 'reasoning_details' ? readList(value) : []))
}

function encodeCall(call: ToolCallContent, { names, ids, traits }: Draft): unknown {
  const signature = call.carriers?.find(({ kind }) => kind === 'thought_signature')
  const extra = signature === undefined ? {} : { extra_content: { google: { thought_signature: signature.value } } }
  const id = ids.toWire(call.id)
  const name = names.toWire(call.name)
  if (call.arguments.kind !== 'text') return { id, type: 'function', function: { name, arguments: call.arguments.text }, ...extra }
  if (traits.customTools) return { id, type: 'custom', custom: { name, input: call.arguments.text }, ...extra }
  const written = JSON.stringify({ [FREEFORM_MEMBER]: call.arguments.text })
  return { id, type: 'function', function: { name, arguments: written }, ...extra }
}

/** Tool messages carry text only: pictures follow in a user message after the whole run of results. */
function encodeResult(draft: Draft, result: ToolResultContent, path: string): WireMessage {
  const { losses } = draft
  const id = draft.ids.toWire(result.callId)
  const name = result.name === undefined ? undefined : draft.names.toWire(result.name)
  const base = { role: 'tool', tool_call_id: id, ...defined({ name }) }
  if (result.isError) losses.push(approximated(path, 'tool_result.error', 'the error is told in the text of the result'))
  if (result.cache !== undefined) losses.push(unsupported(path, 'cache_control', 'tool results take no cache mark on Chat Completions'))
  if (!isParts(result.content)) {
    const { value } = result.content
    return { ...base, content: JSON.stringify(result.isError ? { error: value } : value) }
  }
  const texts: Placed[] = []
  for (const [index, part] of result.content.entries()) {
    const where = `${path}.content[${index}]`
    const shown = part.type === 'text' ? [] : encodePart(part, where, draft)
    if (part.type === 'text' || shown.every(({ type }) => type === 'text')) {
      const told = shown.map((each) => ({ type: 'text', text: String(each['text']) }) as const)
      texts.push(...(part.type === 'text' ? [part] : told).map((text) => ({ part: text, path: where })))
      continue
    }
    losses.push(approximated(where, 'tool_result.media', 'it is shown in a user message after the results'))
    draft.hoisted.push(...shown)
    texts.push({ part: { type: 'text', text: `[${part.type} of ${id} in the next user message]` }, path: where })
  }
  if (!result.isError) return { ...base, content: encodeContent(texts, draft) }
  const told = texts.map(({ part }) => (part.type === 'text' ? part.text : '')).join('\n')
  return { ...base, content: JSON.stringify({ error: told }) }
}

function isParts(content: ToolResultContent['content']): content is Exclude<ToolResultContent['content'], { kind: 'json' }> {
  return !isRecord(content)
}
