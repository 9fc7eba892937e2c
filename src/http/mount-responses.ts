/** Mounts what the Responses wire has besides answering, at its paths and at the same ones without `/v1`. */
import type { IncomingMessage } from 'node:http'
import type { Context, Hono } from 'hono'
import type { ResponseStore } from './response-store.ts'
import type { WireRequest } from '../protocol/protocol.ts'
import { parseBody, readBody } from './body.ts'
import type { CallerCheck } from './caller.ts'
import { ESTIMATED_HEADER } from './count-tokens-route.ts'
import { jsonText } from './error-response.ts'
import { pathOf } from './guard.ts'
import type { AppEnv } from './read-routes.ts'
import { cancelResponse, countInput, deleteResponse, listInput, responsesRoutes, retrieveResponse } from './responses-routes.ts'

export type ResponsesOptions = {
  readonly store: ResponseStore | undefined
  /** Whose responses are meant: nobody sees those of another. */
  readonly callerOf: CallerCheck
  readonly maxBodyBytes: number
}

type Does = (typeof responsesRoutes)[number]['does']
type Place = Omit<ResponsesOptions, 'callerOf'> & { readonly caller: string }
type Answer = (context: Context<AppEnv>, place: Place) => Promise<Response>

export function mountResponses(app: Hono<AppEnv>, { callerOf, ...place }: ResponsesOptions): void {
  for (const { method, path, does } of responsesRoutes) {
    for (const each of [path, path.slice('/v1'.length)]) {
      app.on(method, each, async (context) => answers[does](context, { ...place, caller: (await callerOf(context.env.incoming)).id }))
    }
  }
}

const answers: Readonly<Record<Does, Answer>> = {
  count: async ({ env }, { maxBodyBytes }) => json(countInput(await readWireOf(env.incoming, maxBodyBytes)), { [ESTIMATED_HEADER]: '1' }),
  retrieve: async (context, { store, caller }) => json(await retrieveResponse(store, caller, idOf(context), queryOf(context))),
  delete: async (context, { store, caller }) => json(await deleteResponse(store, caller, idOf(context))),
  list_input: async (context, { store, caller }) => json(await listInput(store, caller, idOf(context), queryOf(context))),
  cancel: async (context, { store, caller }) => cancelResponse(store, caller, idOf(context)),
}

async function readWireOf(incoming: IncomingMessage, maxBodyBytes: number): Promise<WireRequest> {
  const body = await readBody(incoming, maxBodyBytes)
  return { body, json: parseBody(body), path: pathOf(incoming.url ?? '/'), query: new URLSearchParams(), headers: {} }
}

function idOf(context: Context<AppEnv>): string {
  return context.req.param('id') ?? ''
}

function queryOf(context: Context<AppEnv>): URLSearchParams {
  return new URL(context.req.url).searchParams
}

function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const own = { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
  return new Response(jsonText(value), { headers: { ...own, ...headers } })
}
