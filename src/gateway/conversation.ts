/** Names the conversation a call goes on with, and prices what the cache of whoever has read it before may save. */
import { createHash } from 'node:crypto'
import type { CompletionRequest } from '../completion/request.ts'
import { RouteplaneError } from '../errors.ts'
import type { Usd } from '../money.ts'
import { endpointKey, type Endpoint } from '../registry/endpoint.ts'
import { quoteOf } from '../registry/quote.ts'
import type { ServedPrefixes } from '../selection/served-prefixes.ts'
import type { GatewayCall } from './call.ts'

export type Conversation = {
  /** US dollars that an endpoint is expected to take off for what it has read before; `undefined` where that is nothing. */
  savingAt(endpoint: Endpoint): Usd | undefined
  /** Says that an endpoint has read this call. */
  note(endpoint: Endpoint, inputTokens: number | undefined): void
}

/**
 * Finds the conversation of a call: the same caller, system text, tools and first turn. Later turns only lengthen it.
 *
 * @returns `undefined` for a call that cannot be decoded, of which nothing is known.
 */
export function conversationOf(call: GatewayCall, prefixes: ServedPrefixes): Conversation | undefined {
  const id = nameOf(call)
  if (id === undefined) return undefined
  const quote = quoteOf(call.read.needs)
  return {
    savingAt(endpoint) {
      const tokens = prefixes.tokensAt(id, endpointKey(endpoint))
      return tokens === undefined || endpoint.pricing === undefined ? undefined : quote.cacheSaving(endpoint.pricing, tokens)
    },
    note(endpoint, inputTokens) {
      if (inputTokens !== undefined) prefixes.note(id, endpointKey(endpoint), inputTokens)
    },
  }
}

function nameOf(call: GatewayCall): string | undefined {
  try {
    return createHash('sha256')
      .update(JSON.stringify([call.caller, beginningOf(call.decode())]))
      .digest('base64')
  } catch (error) {
    if (error instanceof RouteplaneError) return undefined
    throw error
  }
}

function beginningOf({ system, tools, turns }: CompletionRequest): readonly unknown[] {
  return [system.map(({ text }) => text), tools, turns[0]?.role, turns[0]?.parts]
}
