/** Takes payments of the Machine Payments Protocol, `evm/charge`: the same authorization that x402 settles, asked for in other words. */
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import type { Chain } from '../../chain/chain.ts'
import { assetsOf, type AssetRow } from '../../chain/networks.ts'
import { keccakOf } from '../../chain/keccak.ts'
import type { SalePayment } from '../../ledger/sale.ts'
import type { Clock } from '../../lib/clock.ts'
import { parseJson } from '../../lib/json.ts'
import { amountOf, type ChargeTerms } from '../charge.ts'
import type { FacilitatorClient } from '../facilitator/pool.ts'
import type { Quote, Settlement, Tender, Till, WayToPay } from '../till.ts'
import { collect, collectAgain, type Collected } from '../x402/collect.ts'
import { keyOf, unfit } from '../x402/read.ts'
import { exact } from '../x402/scheme/exact.ts'
import { challengeFault, challengeHeader, METHOD, writeChallenge } from './challenge.ts'
import { credentialIn, readCredential, wantedIn, type Presented } from './read.ts'

export type MppTillOptions = {
  readonly terms: ChargeTerms
  openFacilitator(): Promise<FacilitatorClient>
  readonly chainOf: (network: string) => Chain
  /** Secret; binds challenges to their requests, the same in every process of one ledger. */
  readonly bindingKey: () => Promise<Uint8Array>
  readonly clock: Clock
}

/** As `charge.schemes` names it. */
const SCHEME = 'evm/charge'
/** Seconds that a payment must still be good for when it is handed over. */
const LEAST_SECONDS = 10n

export function createMppTill(options: MppTillOptions): Till {
  const { terms, bindingKey, clock } = options
  const ways = terms.schemes.includes(SCHEME) ? terms.networks.flatMap((network) => payableOn(network) ?? []) : []
  const shown = ways.map((asset): WayToPay => ({ protocol: 'mpp', scheme: SCHEME, charging: 'quote', asset }))
  return {
    id: 'mpp',
    ways: shown,
    openWays: () => Promise.resolve(shown),
    async ask(quote) {
      const key = await bindingKey()
      const expiresAt = clock.now() + terms.offerSeconds * 1_000
      const realm = new URL(quote.resource).host
      const challenges = ways.map((asset) => {
        const wanted = { asset, amount: amountOf(quote.priceUsd, asset.decimals), payTo: terms.payTo }
        return challengeHeader(writeChallenge(key, wanted, realm, quote.digest, expiresAt))
      })
      return { headers: challenges.length === 0 ? {} : { 'www-authenticate': challenges.join(', ') }, body: {} }
    },
    async read(headers) {
      const header = ways.length === 0 ? undefined : credentialIn(headers)
      return header === undefined ? undefined : toTender(readCredential(header), ways, options)
    },
    async revive(sale) {
      if (sale.protocol !== 'mpp' || sale.credential === undefined) return undefined
      const { header } = parseJson(sale.credential) as { header: string }
      return { ...(await toTender(readCredential(header), ways, options, true)), payment: sale }
    },
    receipt: (sale) =>
      sale.protocol === 'mpp' && sale.state === 'settled' ? receiptHeaders(sale.transaction ?? '', sale.updatedAt) : undefined,
  }
}

function payableOn(network: string): AssetRow | undefined {
  return assetsOf(network).find(({ transferMethod }) => transferMethod === 'eip3009')
}

async function toTender(presented: Presented, ways: readonly AssetRow[], options: MppTillOptions, isRevived = false): Promise<Tender> {
  const { challenge, payload } = presented
  const wanted = wantedIn(challenge)
  const asset = ways.find(({ network, address }) => network === `eip155:${wanted?.chainId}` && address === wanted?.currency)
  if (wanted === undefined || asset === undefined) throw unfit('the payment is on a network or in a token that is not offered here')
  const { terms } = options
  const payment: SalePayment = {
    // The token knows one authorization, in whichever words it was handed over.
    key: keyOf(asset.network, asset.address, payload.from, payload.nonce),
    protocol: 'mpp',
    scheme: SCHEME,
    network: asset.network,
    asset: asset.address,
    decimals: asset.decimals,
    payer: payload.from,
    payee: terms.payTo,
    amountOffered: payload.value,
    nonce: payload.nonce,
    validBeforeSeconds: payload.validBefore,
  }
  const key = await options.bindingKey()
  const nonce = await keccakOf(`${challenge.id}${challenge.realm}`)
  const settling = createSettling(presented, asset, options)
  let isFirst = !isRevived
  return {
    payment,
    charging: 'quote',
    credential: JSON.stringify({ header: presented.header }),
    mismatch(quote: Quote) {
      if (payload.validBefore * 1_000n < BigInt(options.clock.now()) + LEAST_SECONDS * 1_000n)
        return 'payment_expired: the payment is good for too short a time'
      if (payload.nonce.toLowerCase() !== nonce || payload.value.toString() !== wanted.amount)
        return 'the payment is not the one that its challenge asks for'
      return challengeFault(key, challenge, quote.digest, options.clock.now())
    },
    async verify() {
      const { isValid, invalidReason } = await settling.verify()
      return isValid ? { valid: true } : { valid: false, reason: invalidReason ?? 'the payment is not valid' }
    },
    async collect(amount) {
      const collecting = { scheme: exact, payment, amount, chainOf: options.chainOf, settle: settling.settle }
      const collected = isFirst ? await collect(collecting) : await collectAgain(collecting)
      isFirst = false
      return toSettlement(collected, amount, options.clock.now())
    },
    cancel: () => Promise.resolve(),
  }
}

type Settling = {
  verify(): Promise<{ readonly isValid: boolean; readonly invalidReason?: string }>
  settle(): ReturnType<FacilitatorClient['settle']>
}

/** A facilitator of x402 settles it: to the token the authorization is the same. */
function createSettling({ payload }: Presented, asset: AssetRow, { terms, openFacilitator }: MppTillOptions): Settling {
  const { signature, from, to, nonce } = payload
  const requirements: PaymentRequirements = {
    scheme: 'exact',
    network: asset.network as PaymentRequirements['network'],
    amount: payload.value.toString(),
    asset: asset.address,
    payTo: terms.payTo,
    maxTimeoutSeconds: terms.offerSeconds,
    extra: { ...asset.domain, assetTransferMethod: 'eip3009' },
  }
  const times = { validAfter: payload.validAfter.toString(), validBefore: payload.validBefore.toString() }
  const authorization = { from, to, value: payload.value.toString(), ...times, nonce }
  const payment = { x402Version: 2, accepted: requirements, payload: { authorization, signature } } as unknown as PaymentPayload
  return {
    verify: async () => (await openFacilitator()).verify(payment, requirements),
    settle: async () => (await openFacilitator()).settle(payment, requirements),
  }
}

function toSettlement(collected: Collected, amount: SalePayment['amountOffered'], now: number): Settlement {
  if (collected.state !== 'settled') return collected
  const { transaction } = collected.receipt
  return { state: 'settled', amount, transaction, headers: receiptHeaders(transaction, now) }
}

/** @see https://paymentauth.org (draft-httpauth-payment, section 5.3) */
function receiptHeaders(transaction: string, at: number): Record<string, string> {
  const receipt = { method: METHOD, reference: transaction, status: 'success', timestamp: new Date(at).toISOString() }
  return { 'payment-receipt': Buffer.from(JSON.stringify(receipt)).toString('base64url') }
}
