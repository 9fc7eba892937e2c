/** What each caller must see of a neutral answer: the words of its wire, and what the response matrix declares as lost. */
import type { FinishReason } from '../../src/completion/part.ts'
import type { Content } from '../../src/completion/request.ts'
import type { Candidate, CompletionResult } from '../../src/completion/result.ts'
import type { Usage } from '../../src/completion/usage.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import type { View } from './sdk-callers.ts'

/** `error`: the answer cannot be shown as one. */
const finishWords: Readonly<Record<FinishReason, Readonly<Record<ProtocolId, string>>>> = {
  stop: words('stop', 'completed', 'end_turn', 'STOP'),
  stop_sequence: words('stop', 'completed', 'stop_sequence', 'STOP'),
  length: words('length', 'incomplete/max_output_tokens', 'max_tokens', 'MAX_TOKENS'),
  context_window: words('length', 'incomplete/max_output_tokens', 'model_context_window_exceeded', 'MAX_TOKENS'),
  tool_calls: words('tool_calls', 'completed', 'tool_use', 'STOP'),
  content_filter: words('content_filter', 'incomplete/content_filter', 'refusal', 'SAFETY'),
  refusal: words('stop', 'completed', 'refusal', 'SAFETY'),
  pause: words('stop', 'completed', 'pause_turn', 'STOP'),
  malformed_tool_call: words('error', 'error', 'error', 'MALFORMED_FUNCTION_CALL'),
  error: words('error', 'error', 'error', 'error'),
  other: words('stop', 'completed', 'end_turn', 'OTHER'),
}

function words(chat: string, responses: string, messages: string, google: string): Readonly<Record<ProtocolId, string>> {
  return { chat_completions: chat, responses, messages, generate_content: google }
}

/** @returns `undefined` when the caller must get an error. */
export function expectedView(result: CompletionResult, caller: ProtocolId): View | undefined {
  const [candidate] = result.candidates
  if (candidate === undefined) return undefined
  const finish = finishWord(candidate, caller)
  if (finish === 'error') return undefined
  const refusal = joined(candidate, 'refusal')
  return {
    // Google's wire has no place of its own for a refusal.
    text: caller === 'generate_content' ? joined(candidate, 'text') + refusal : joined(candidate, 'text'),
    thought: candidate.content.flatMap((part) => (part.type === 'reasoning' ? part.text : [])).join(''),
    refusal: caller === 'generate_content' ? '' : refusal,
    calls: candidate.content.flatMap((part) => (part.type === 'tool-call' ? expectedCall(part, caller) : [])),
    finish,
    usage: usageOf(result.usage, caller),
  }
}

type Call = Extract<Content, { type: 'tool-call' }>

/** Wires whose arguments are values show free text under a name, and arguments that are cut short as far as they can. */
function expectedCall({ id, name, arguments: given }: Call, caller: ProtocolId): View['calls'] {
  if (caller === 'chat_completions' || caller === 'responses') return [[id, name, given.text]]
  if (given.kind === 'json') return [[id, name, given.value]]
  if (given.kind === 'text') return [[id, name, { input: given.text }]]
  return caller === 'messages' ? [[id, name, {}]] : []
}

/**
 * Takes out of a text what Anthropic's wire is given instead of extras that it has no block for: a list of the sources, and
 * a word for each picture.
 */
export function withoutStandIns(text: string, result: CompletionResult): string {
  const extras = result.candidates.flatMap((candidate) => candidate.extras)
  const listed = extras.some(({ kind }) => kind === 'citation') ? text.replace(/\n\nSources:\n(?:- \[.*\]\(.*\)\n?)+$/, '') : text
  return extras.some(({ kind }) => kind === 'image')
    ? listed.replace(/\[image of type [a-z/]+ that this protocol cannot carry\]/g, '')
    : listed
}

function finishWord({ finish, content }: Candidate, caller: ProtocolId): string {
  const word = finishWords[finish.reason][caller]
  const isSilent = caller === 'chat_completions' && finish.reason === 'refusal' && !content.some(({ type }) => type === 'refusal')
  return isSilent ? 'content_filter' : word
}

function joined({ content }: Candidate, type: 'text' | 'refusal'): string {
  return content.map((part) => (part.type === type ? part.text : '')).join('')
}

/** Totals are inclusive on OpenAI's wires; Anthropic's leave caches out, and Google's thoughts. */
function usageOf(usage: Usage | undefined, caller: ProtocolId): View['usage'] {
  if (usage?.inputTokens === undefined || usage.outputTokens === undefined) return undefined
  const { inputTokens: input, outputTokens: output, cacheReadTokens: read, cacheWriteTokens: written, reasoningTokens: reasoning } = usage
  switch (caller) {
    case 'chat_completions':
    case 'responses':
      return { input, output, cacheRead: read, reasoning }
    case 'messages':
      return { input: input - (read ?? 0) - (written ?? 0), output, cacheRead: read, cacheWrite: written }
    case 'generate_content':
      return { input, output: output - (reasoning ?? 0), cacheRead: read, reasoning }
  }
}
