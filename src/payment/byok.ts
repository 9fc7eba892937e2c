/** Pays with the user's own key for a provider, or with nothing where a source asks for nothing. */
import { keyHeaders } from '../access/api-key.ts'
import type { AccountPool } from '../access/account-pool.ts'
import type { Keyring } from '../access/keyring.ts'
import type { WireId } from '../completion/request.ts'
import { headerOf, readBody, type HttpResponse } from '../lib/http-call.ts'
import type { Log, Secret } from '../lib/log.ts'
import { ZERO_USD } from '../money.ts'
import type { PaidCall, Payment, PaymentMode } from './mode.ts'
import { withoutSecrets } from './redact.ts'

export type ByokDeps = {
  readonly keyring: Keyring
  /** Headers that carry a key on a wire. */
  authorize(wire: WireId, apiKey: string): Readonly<Record<string, string>>
  readonly log: Log
}

export function createByok(deps: ByokDeps): PaymentMode {
  const { keyring } = deps
  return {
    id: 'byok',

    offer(endpoint) {
      const { provider } = endpoint
      if (!provider.payment.modes.includes('byok')) return { available: false, reason: 'the provider does not take API keys' }
      if (provider.access.kind === 'none' || keyring.keyOf(provider) !== undefined) return { available: true, overheadUsd: ZERO_USD }
      return { available: false, reason: `no API key: set ${provider.access.env}` }
    },

    async send(call) {
      const { provider } = call.endpoint
      const hasKeys = provider.access.kind !== 'none'
      const pool = hasKeys ? keyring.accountsOf(provider) : undefined
      const sent =
        pool === undefined ? sendWith(hasKeys ? keyring.keyOf(provider) : undefined, call, deps) : sendAsSomebody(pool, call, deps)
      return { response: await sent, payment: NOTHING_TO_PAY }
    },
  }
}

/** What the user owes is between him and the provider. */
const NOTHING_TO_PAY: Payment = { mode: 'byok', blame: (error) => error, close: async () => {} }

/** Asks with one account after another until one of them is neither refused nor over its limit; the last one's answer counts. */
async function sendAsSomebody(pool: AccountPool, call: PaidCall, deps: ByokDeps): Promise<HttpResponse> {
  const { provider } = call.endpoint
  const accounts = pool.take()
  for (const [at, account] of accounts.entries()) {
    const response = await sendWith(account.key, call, deps)
    const restMs = restAfter(response)
    if (restMs === undefined) return response
    pool.rest(account, restMs)
    deps.log.warn('an account rests', { provider: provider.id, account: account.label, status: response.status, ms: restMs })
    if (at === accounts.length - 1) return response
    // What the provider says to this account is for nobody; read to its end, the connection can be used again.
    await readBody(response, MAX_REFUSAL_BYTES).catch(() => {})
  }
  throw new Error('a pool of accounts is never empty')
}

const MAX_REFUSAL_BYTES = 64 * 1024
/** A key that is refused is not taken up again by itself; a limit is over when the provider says so. */
const REFUSED_MS = 10 * 60_000
const LIMITED_MS = 5_000

/** @returns `undefined` when the answer does not speak against the account. */
function restAfter({ status, headers }: HttpResponse): number | undefined {
  if (status === 401) return REFUSED_MS
  if (status !== 429) return undefined
  const seconds = headerOf(headers, 'retry-after')
  return seconds !== undefined && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1_000 : LIMITED_MS
}

async function sendWith(key: Secret | undefined, call: PaidCall, { keyring, authorize }: ByokDeps): Promise<HttpResponse> {
  const { provider } = call.endpoint
  const own = keyring.headersOf(provider)
  const shown = key === undefined ? {} : keyHeaders(provider, key.reveal(), (apiKey) => authorize(call.wire, apiKey))
  const headers = Object.assign({}, call.http.headers, own, shown)
  const { method, url, body } = call.http
  const secrets = [...Object.values(own), ...(key === undefined ? [] : [key.reveal()])]
  return withoutSecrets(await call.transport({ method, url, headers, ...(body === undefined ? {} : { body }) }), secrets)
}
