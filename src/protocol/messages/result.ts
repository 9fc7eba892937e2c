/** A whole Messages answer: decoded from an upstream, encoded for a caller. */
import { RouteplaneError } from '../../errors.ts'
import { foldAll } from '../../completion/fold.ts'
import type { Extra, Finish } from '../../completion/part.ts'
import type { Content } from '../../completion/request.ts'
import type { Candidate, CompletionResult } from '../../completion/result.ts'
import { isRecord } from '../../lib/json.ts'
import type { EncodeContext } from '../protocol.ts'
import { wireToolId } from '../tool-ids.ts'
import { decodeErrorObject } from './error.ts'
import { estimateInput, estimateText } from './estimate.ts'
import { encodeFinish, type StopReason } from './finish.ts'
import { createEventDecoder } from './stream.ts'
import { attachedData, slotsOf } from './thinking.ts'
import { encodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * Reads a whole answer: as the events that would have streamed it, so that both lanes read every dialect alike.
 *
 * @throws {@link RouteplaneError} `upstream_error` for an error in a 200 body, an error as stop reason, or a body that is no answer.
 */
export function decodeResult(body: unknown): CompletionResult {
  if (!isRecord(body)) throw noAnswer()
  const { content, stop_reason, stop_sequence, stop_details } = body
  if (!Array.isArray(content)) throw isRecord(body['error']) ? decodeErrorObject(body['error']) : noAnswer()
  const decoder = createEventDecoder()
  const events: readonly Json[] = [
    { type: 'message_start', message: { ...body, content: [] } },
    ...content.filter(isRecord).flatMap((block, index) => [
      { type: 'content_block_start', index, content_block: block },
      { type: 'content_block_stop', index },
    ]),
    { type: 'message_delta', delta: { stop_reason, stop_sequence, stop_details } },
    { type: 'message_stop' },
  ]
  return foldAll(events.flatMap((event) => decoder.push(event)))
}

function noAnswer(): RouteplaneError {
  return new RouteplaneError('upstream_error', 'the upstream did not answer with a message')
}

/**
 * Writes the first candidate, which is the only one that this wire has room for.
 *
 * @throws {@link RouteplaneError} `upstream_error` for a finish that this wire can only show as an error.
 */
export function encodeResult(result: CompletionResult, context: EncodeContext): unknown {
  const candidate = result.candidates[0]
  if (candidate === undefined) throw new RouteplaneError('internal', 'an answer has no candidate')
  const reason = encodeFinish(candidate.finish.reason)
  if (reason === undefined) throw brokenFinish()
  const blocks = encodeContent(candidate, context)
  return {
    id: messageId(result.id, context.requestId),
    type: 'message',
    role: 'assistant',
    model: result.model === '' ? context.model : result.model,
    content: blocks,
    ...ending(reason, candidate.finish, refusalOf(candidate.content)),
    usage: encodeUsage(result.usage, {
      inputTokens: result.usage?.inputTokens === undefined ? estimateInput(context.request) : 0,
      outputTokens: estimateText(JSON.stringify(blocks)),
    }),
  }
}

/** The error for answers whose reason to end has no word on this wire. */
export function brokenFinish(): RouteplaneError {
  return new RouteplaneError('upstream_error', 'the model ended its answer with an error or a tool call that cannot be read')
}

/** Clients take the prefix for the kind of thing that an id names. */
export function messageId(id: string, requestId: string): string {
  if (/^msg_[A-Za-z0-9_-]+$/.test(id)) return id
  return `msg_${(id === '' ? requestId : id).replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 120)}`
}

/** The members that say why an answer ended. @see https://docs.anthropic.com/en/api/handling-stop-reasons */
export function ending(reason: StopReason, finish: Finish, refusal: string | undefined): Json {
  return {
    stop_reason: reason,
    stop_sequence: reason === 'stop_sequence' ? (finish.stopSequence ?? null) : null,
    ...(reason === 'refusal' ? { stop_details: { type: 'refusal', category: null, explanation: refusal ?? null } } : {}),
  }
}

function refusalOf(content: readonly Content[]): string | undefined {
  const texts = content.flatMap((part) => (part.type === 'refusal' ? [part.text] : []))
  return texts.length === 0 ? undefined : texts.join('')
}

function encodeContent(candidate: Candidate, { request }: EncodeContext): readonly Json[] {
  const { content, extras, finish } = candidate
  const blocks = content.flatMap(encodeBlock)
  const own = extras.map(citedHere).filter((citation) => citation !== undefined)
  const at = blocks.findLastIndex(({ type }) => type === 'text')
  const cited = own.length === 0 || at === -1 ? blocks : blocks.with(at, { ...blocks[at], citations: own })
  const others = extras.flatMap(encodeExtra)
  const sources = request.output.kind === 'text' && finish.reason === 'stop' ? sourceList(extras) : undefined
  return [...cited, ...others, ...(sources === undefined ? [] : [{ type: 'text', text: sources }])]
}

function encodeBlock(part: Content): readonly Json[] {
  switch (part.type) {
    case 'text':
      return [...(part.text === '' ? [] : [{ type: 'text', text: part.text }]), ...redacted(attachedData(part.carriers ?? [], undefined))]
    case 'reasoning': {
      const thinking = part.text.join('\n\n')
      const { signature, redacted: data } = slotsOf(thinking !== '', part.carriers)
      return [...(signature === undefined ? [] : [{ type: 'thinking', thinking, signature }]), ...redacted(data)]
    }
    case 'tool-call':
      return [
        { type: 'tool_use', id: wireToolId(part.id, 'anthropic'), name: part.name, input: encodeInput(part.arguments) },
        ...redacted(attachedData(part.carriers ?? [], wireToolId(part.id, 'anthropic'))),
      ]
    case 'foreign':
      return part.wire === 'messages' && isRecord(part.raw) ? [part.raw] : []
    case 'refusal':
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
    case 'tool-result':
      return []
  }
}

function redacted(values: readonly string[]): readonly Json[] {
  return values.map((data) => ({ type: 'redacted_thinking', data }))
}

/** Input that was cut short cannot be written as an object: the stop reason says so, and nothing is made up. */
function encodeInput(given: Extract<Content, { type: 'tool-call' }>['arguments']): Json {
  if (given.kind === 'text') return { input: given.text }
  return given.kind === 'json' && isRecord(given.value) ? given.value : {}
}

/** Gives a citation of this wire's own, which its clients can read and send back; `undefined` for everything else. */
export function citedHere(extra: Extra): Json | undefined {
  if (extra.kind !== 'citation' && extra.kind !== 'foreign') return undefined
  const { raw } = extra
  return isRecord(raw) && typeof raw['type'] === 'string' && raw['type'].endsWith('_location') ? raw : undefined
}

/** What this wire has no block for is said in words, so that nobody takes the answer for whole. */
export function encodeExtra(extra: Extra): readonly Json[] {
  switch (extra.kind) {
    case 'foreign':
      return extra.wire === 'messages' && isRecord(extra.raw) && citedHere(extra) === undefined ? [extra.raw] : []
    case 'image':
    case 'audio':
      return [{ type: 'text', text: `[${extra.kind} of type ${extra.mimeType} that this protocol cannot carry]` }]
    case 'citation':
    case 'logprobs':
      return []
  }
}

/** Lists the pages that another wire's answer cites: a citation here would need what only this wire's search gives. */
export function sourceList(extras: readonly Extra[]): string | undefined {
  const titles = new Map<string, string>()
  for (const extra of extras) {
    if (extra.kind !== 'citation' || citedHere(extra) !== undefined || titles.has(extra.url)) continue
    titles.set(extra.url, extra.title ?? extra.url)
  }
  if (titles.size === 0) return undefined
  const lines = [...titles].map(([url, title]) => `- [${title.replaceAll(/[[\]\n]/g, ' ')}](${url.replaceAll(')', '%29')})`)
  return `\n\nSources:\n${lines.join('\n')}`
}
