/** Starts a provider of the demo model that asks for nothing: what a paid call is compared with. */
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { closingEvents, openingEvent, tokenEvent, wholeReply } from './chat-reply.ts'
import { answerTokens, readChatRequest } from './echo-model.ts'
import { listen } from './listen.ts'

export type FreeProvider = { readonly id: string; readonly baseUrl: string; stop(): Promise<void> }

const MAX_TOKENS = 256

/** Starts it on a free loopback port. */
export async function startFreeProvider(id: string): Promise<FreeProvider> {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.post('/v1/chat/completions', async (context) => {
    const request = readChatRequest(new Uint8Array(await context.req.arrayBuffer()))
    const { tokens, cut } = answerTokens(id, request.question, request.maxTokens ?? MAX_TOKENS)
    const head = { id: 'chatcmpl-free', createdSeconds: 1_763_596_800, request, cut }
    if (!request.stream) return context.json(wholeReply(head, tokens))
    const events = [openingEvent(head), ...tokens.map((token) => tokenEvent(head, token)), ...closingEvents(head, tokens.length)]
    return context.body(events.join(''), 200, { 'content-type': 'text/event-stream' })
  })
  const { port, stop } = await listen(app)
  return { id, baseUrl: `http://127.0.0.1:${port}/v1`, stop }
}
