/** The plainest request there is: one turn of a user, and every choice left to the model. */
import type { CompletionRequest, Content } from './request.ts'

/** A request that asks for nothing but text; what a caller wants besides is spread over it. */
export function bareRequest(model: string, parts: readonly Content[]): CompletionRequest {
  return {
    model,
    system: [],
    turns: [{ role: 'user', parts }],
    tools: [],
    sampling: {},
    stop: [],
    candidates: 1,
    output: { kind: 'text' },
    outputModalities: ['text'],
    stream: false,
    state: {},
    account: {},
    unknown: [],
  }
}
