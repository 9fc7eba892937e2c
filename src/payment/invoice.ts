/** Sends now and owes: the provider knows our account, and its invoice asks for what the calls of a month came to. */
import { keyHeaders } from '../access/api-key.ts'
import type { Keyring } from '../access/keyring.ts'
import type { WireId } from '../completion/request.ts'
import { toRouteplaneError } from '../errors.ts'
import type { Secret } from '../lib/log.ts'
import { ZERO_USD, type Usd } from '../money.ts'
import { holdFor, type HoldDeps } from './hold.ts'
import type { PaidCall, Payment, PaymentMode, PaymentOutcome } from './mode.ts'
import { withoutSecrets } from './redact.ts'
import type { Resolver } from './resolver.ts'

export type InvoiceDeps = HoldDeps & {
  readonly resolver: Resolver
  readonly keyring: Keyring
  /** Our account with each provider, by its id. */
  readonly accounts: ReadonlyMap<string, Secret>
  /** Headers that carry a key on a wire. */
  authorize(wire: WireId, apiKey: string): Readonly<Record<string, string>>
}

/** Where a provider's manifest names no header of its own. */
export const ACCOUNT_HEADER = 'x-account-id'

export function createInvoice(deps: InvoiceDeps): PaymentMode {
  return {
    id: 'invoice',

    offer({ provider, pricing }) {
      if (!provider.payment.modes.includes('invoice')) return { available: false, reason: 'the provider does not take invoices' }
      if (pricing === undefined) return { available: false, reason: 'the provider lists no price' }
      if (deps.accounts.has(provider.id)) return { available: true, overheadUsd: ZERO_USD }
      return { available: false, reason: `no account: set payment.accounts.${provider.id}` }
    },

    async send(call) {
      const { heldUsd } = await holdFor(call, { mode: 'invoice', slackPermille: 1000n, overheadUsd: ZERO_USD }, deps)
      const { headers, secrets } = credentialsOf(call, deps)
      try {
        const sent = await call.transport({ ...call.http, headers: { ...call.http.headers, ...headers } })
        return { response: withoutSecrets(sent, secrets), payment: openDebt(call, heldUsd, deps) }
      } catch (thrown) {
        await deps.resolver.giveBack(call.attemptId, toRouteplaneError(thrown).code)
        throw thrown
      }
    },
  }
}

/** The account, and the key if there is one: who is billed is one thing, who may ask is another. */
function credentialsOf({ endpoint: { provider }, wire }: PaidCall, deps: InvoiceDeps) {
  const account = deps.accounts.get(provider.id)?.reveal() ?? ''
  const key = provider.access.kind === 'none' ? undefined : deps.keyring.keyOf(provider)?.reveal()
  const own = deps.keyring.headersOf(provider)
  const headers = {
    ...own,
    ...(key === undefined ? {} : keyHeaders(provider, key, (apiKey) => deps.authorize(wire, apiKey))),
    [provider.payment.invoice?.accountHeader ?? ACCOUNT_HEADER]: account,
  }
  return { headers, secrets: [account, ...Object.values(own), ...(key === undefined ? [] : [key])] }
}

function openDebt(call: PaidCall, heldUsd: Usd, { resolver, clock }: InvoiceDeps): Payment {
  return {
    mode: 'invoice',
    receiptId: call.attemptId,
    blame: (error) => error,
    async close(outcome) {
      const debt = debtOf(outcome, heldUsd)
      if (debt === undefined) return resolver.giveBack(call.attemptId, 'nothing was delivered')
      await resolver.conclude(call.attemptId, { state: 'owed', ...debt, now: clock.now() })
    },
  }
}

/**
 * Says what a call has left us owing: by the price list from the provider's own count, else the bound; `undefined` when
 * there is neither an answer nor a count.
 */
export function debtOf(
  { delivered, usage, costUsd }: PaymentOutcome,
  heldUsd: Usd,
): { readonly amountUsd: Usd; readonly reason?: string } | undefined {
  const isCounted = usage?.origin === 'provider' && costUsd !== undefined
  if (isCounted && costUsd <= heldUsd) return { amountUsd: costUsd }
  if (isCounted) return { amountUsd: heldUsd, reason: 'the bound: the stated usage costs more than the call could' }
  return delivered ? { amountUsd: heldUsd, reason: 'the bound: the provider stated no usage' } : undefined
}
