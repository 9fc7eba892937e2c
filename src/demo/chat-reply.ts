/** Writes the demo model's tokens as a Chat Completions answer, whole or as events. */
import type { ChatRequest } from './echo-model.ts'

export type ReplyHead = { readonly id: string; readonly createdSeconds: number; readonly request: ChatRequest; readonly cut: boolean }

/** @see https://platform.openai.com/docs/api-reference/chat/object */
export function wholeReply(head: ReplyHead, tokens: readonly string[]): Record<string, unknown> {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.createdSeconds,
    model: head.request.model,
    choices: [{ index: 0, message: { role: 'assistant', content: tokens.join('') }, finish_reason: finishReason(head) }],
    usage: usageOf(head, tokens.length),
  }
}

/** @see https://platform.openai.com/docs/api-reference/chat-streaming */
export function openingEvent(head: ReplyHead): string {
  return chunk(head, [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])
}

export function tokenEvent(head: ReplyHead, token: string): string {
  return chunk(head, [{ index: 0, delta: { content: token }, finish_reason: null }])
}

/** The end: finish reason, usage when it was asked for, and the terminal event. */
export function closingEvents(head: ReplyHead, tokenCount: number): readonly string[] {
  const finish = chunk(head, [{ index: 0, delta: {}, finish_reason: finishReason(head) }])
  const usage = head.request.includeUsage ? [chunk(head, [], usageOf(head, tokenCount))] : []
  return [finish, ...usage, DONE]
}

/** A comment, which readers of the stream skip unless they know it. */
export function commentEvent(name: string, value: string): string {
  return `: ${name} ${value}\n\n`
}

export function errorEvent(code: string, message: string): string {
  return `data: ${JSON.stringify(errorBody(code, message))}\n\n`
}

export function errorBody(code: string, message: string): Record<string, unknown> {
  return { error: { message, type: code, param: null, code } }
}

const DONE = 'data: [DONE]\n\n'

function chunk(head: ReplyHead, choices: readonly unknown[], usage?: unknown): string {
  const { id, createdSeconds: created, request } = head
  const body = { id, object: 'chat.completion.chunk', created, model: request.model, choices, ...(usage === undefined ? {} : { usage }) }
  return `data: ${JSON.stringify(body)}\n\n`
}

function finishReason(head: ReplyHead): string {
  return head.cut ? 'length' : 'stop'
}

function usageOf(head: ReplyHead, completionTokens: number): Record<string, number> {
  const { promptTokens } = head.request
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens }
}
