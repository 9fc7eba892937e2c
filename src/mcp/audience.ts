/** Who gets to see which tool and which resource: the operator, whoever has a key of his, and callers without an account. */
import type { Caller } from '../gateway/call.ts'
import type { ModelListing } from '../routeplane.ts'

/** `accounts` are the operator and the holders of his keys; what is for `anybody` shows and changes nothing of the operator's. */
export type Audience = 'operator' | 'accounts' | 'anybody'

/** Whom everything belongs to that comes over standard input, or with the gateway's own token. */
export const OPERATOR: Caller = { id: 'local', isOperator: true, pays: false }

export function admits(audience: Audience, caller: Caller): boolean {
  if (audience === 'operator') return caller.isOperator
  return audience === 'anybody' || !caller.pays
}

/** Whether a caller may ask for a model at all: a key may be good for some only. */
export function maySee({ models }: Caller, { id }: Pick<ModelListing, 'id'>): boolean {
  return models === undefined || models.includes(id)
}
