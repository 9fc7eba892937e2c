/** Serves what every demo provider has: its models document, its completions, and errors in the envelope that clients read. */
import type { HttpBindings } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { answerStatus, toRouteplaneError } from '../errors.ts'
import { errorBody } from './chat-reply.ts'
import { listen } from './listen.ts'
import { modelsDocument, type Listed } from './models-document.ts'

export type ProviderContext = Context<{ Bindings: HttpBindings }>

export type OpenProvider = {
  readonly id: string
  /** What a manifest calls the endpoint: `http://127.0.0.1:<port>/v1`. */
  readonly baseUrl: string
  readonly modelsUrl: string
  stop(): Promise<void>
}

/** Opens it on a free loopback port. @param complete - Answers `POST /v1/chat/completions`; what it throws is an answer too. */
export async function openProvider(listed: Listed, complete: (context: ProviderContext) => Promise<Response>): Promise<OpenProvider> {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.get('/v1/models', (context) => context.json(modelsDocument(listed)))
  app.post('/v1/chat/completions', complete)
  app.notFound((context) => context.json(errorBody('not_found', 'there is nothing here'), 404))
  app.onError((thrown, context) => {
    const error = toRouteplaneError(thrown)
    return context.json(errorBody(error.code, error.message), answerStatus(error) as 400)
  })
  const { port, stop } = await listen(app)
  const baseUrl = `http://127.0.0.1:${port}/v1`
  return { id: listed.id, baseUrl, modelsUrl: `${baseUrl}/models`, stop }
}
