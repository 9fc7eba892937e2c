/** A request as it comes over HTTP, for programs of the bench that measure the gateway without its surfaces. */
import type { GatewayCall } from '../src/gateway/call.ts'
import { chatCompletions } from '../src/protocol/chat-completions/index.ts'

/** For providers that speak its wire: nothing is translated. */
export function wireCall(id: string, model: string, stream = false): GatewayCall {
  const { caller } = chatCompletions
  const json = { model, max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }], ...(stream ? { stream } : {}) }
  const request = { body: Buffer.from(JSON.stringify(json)), json, path: caller.paths[0] ?? '', query: new URLSearchParams(), headers: {} }
  const { signal } = new AbortController()
  const decode = () => caller.decodeRequest(request)
  return { id, caller: 'local', read: caller.read(request), wire: { protocol: 'chat_completions', request }, decode, signal }
}
