/** Reads the plainest answer of this wire in one look: one candidate, text only. Everything else is for the decoder. */
import type { CompletionResult } from '../../completion/result.ts'
import { isRecord } from '../../lib/json.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** Members of a message in which there may be more than its text. */
const otherContent = [
  'refusal',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'tool_calls',
  'function_call',
  'audio',
  'images',
  'annotations',
] as const

/** Gives what the decoder would give, or `undefined` for an answer that has anything out of the ordinary. */
export function readPlainResult(body: Json): CompletionResult | undefined {
  const { id, model, created, choices } = body
  if (!Array.isArray(choices) || choices.length !== 1) return undefined
  if (isSaid(body['error']) || body['object'] === 'error' || isSaid(body['citations']) || isSaid(body['x_groq'])) return undefined
  const choice: unknown = choices[0]
  if (!isRecord(choice) || !isPlainChoice(choice)) return undefined
  const reason = choice['finish_reason']
  const { message } = choice
  if ((reason !== 'stop' && reason !== 'length') || !isRecord(message)) return undefined
  const { content } = message
  if (typeof content !== 'string' || otherContent.some((member) => isContent(message[member]))) return undefined
  return {
    id: typeof id === 'string' ? id : '',
    model: typeof model === 'string' ? model : '',
    ...(typeof created === 'number' && created > 0 ? { createdSeconds: created } : {}),
    candidates: [
      {
        index: 0,
        content: content === '' ? [] : [{ type: 'text', text: content }],
        extras: [],
        finish: { candidate: 0, reason, raw: reason },
      },
    ],
    usage: decodeUsage(body['usage']),
  }
}

function isPlainChoice(choice: Json): boolean {
  const { index } = choice
  if (index !== undefined && index !== 0) return false
  return !['delta', 'error', 'usage', 'logprobs', 'native_finish_reason'].some((member) => isSaid(choice[member]))
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** Servers send members they have nothing for as null or an empty list. */
function isContent(value: unknown): boolean {
  return isSaid(value) && !(Array.isArray(value) && value.length === 0)
}
