/** Takes x402 payments of both versions: one offer, worded for either, and the official server behind it. */
import type { PaymentPayload, PaymentRequirements, SettleResponse } from '@x402/core/types'
import type { Chain } from '../../chain/chain.ts'
import { findNetwork } from '../../chain/networks.ts'
import type { SaleChannels, SalePayment, SaleRow } from '../../ledger/sale.ts'
import type { Clock } from '../../lib/clock.ts'
import { parseJson } from '../../lib/json.ts'
import type { Log } from '../../lib/log.ts'
import type { Atomic } from '../../money.ts'
import { amountOf, type ChargeTerms } from '../charge.ts'
import { type Quote, type RequestHeaders, type Settlement, type Tender, type Till, type Verdict, type WayToPay } from '../till.ts'
import { balanceOf, collect, collectAgain, standingOf, type Collected } from './collect.ts'
import { createDesk, termsOf, waysNamed, type Desk, type DeskOptions, type Way } from './desk.ts'
import { bindingOf, bindOffer, offerFault } from './offer.ts'
import { invalid, keyOf, placeOf, readPresented, unfit, type Presented } from './read.ts'
import { sellingSchemes } from './scheme/index.ts'
import type { ChannelSide } from './scheme/scheme.ts'
import { createSettling, type Verified } from './settling.ts'

export type X402TillOptions = {
  readonly terms: ChargeTerms
  readonly openFacilitator: DeskOptions['openFacilitator']
  readonly chainOf: (network: string) => Chain
  /** Secret; binds offers to their requests, the same in every process of one ledger. */
  readonly bindingKey: () => Promise<Uint8Array>
  readonly channels: SaleChannels
  readonly clock: Clock
  readonly log: Log
}

/** Seconds that a payment must still be good for when it is handed over: an answer has to begin, and a block to be mined. */
const LEAST_SECONDS = 10n

export function createX402Till(options: X402TillOptions): Till {
  const { terms, channels, openFacilitator } = options
  const desk = createDesk({ terms, schemes: sellingSchemes, channels, openFacilitator })
  const paying = { payTo: terms.payTo, channels, chainOf: options.chainOf, log: options.log }
  return {
    id: 'x402',
    ways: waysNamed(terms, sellingSchemes).map(shown),
    openWays: async () => (await desk()).ways.map(shown),
    ask: async (quote, reason, failed) => ask(await desk(), quote, reason, failed, options),
    read: async (headers) => {
      const presented = presentedIn(headers)
      return presented === undefined ? undefined : toTender(await desk(), presented, await options.bindingKey(), options)
    },
    revive: async (sale) => {
      if (sale.protocol === 'mpp' || sale.credential === undefined) return undefined
      const { presented } = parseJson(sale.credential) as { presented: Presented }
      return { ...toTender(await desk(), presented, await options.bindingKey(), options, sale.createdAt), payment: sale }
    },
    receipt: receiptOfSale,
    async payOut() {
      const { ways, client } = await desk()
      let payers = 0
      for (const { scheme, network, asset } of ways) payers += (await scheme.payOut?.(paying, client, network, asset.address)) ?? 0
      return payers
    },
    async watch() {
      const { ways } = await desk()
      for (const { scheme, network, asset } of ways) await scheme.watch?.(paying, network, asset.address, options.clock.now())
      return 0
    },
  }
}

function shown({ scheme, asset }: Pick<Way, 'scheme' | 'asset'>): WayToPay {
  return { protocol: 'x402', scheme: scheme.id, charging: scheme.charging, asset }
}

function presentedIn(headers: RequestHeaders): Presented | undefined {
  const [second, first] = [one(headers, 'payment-signature'), one(headers, 'x-payment')]
  if (second !== undefined && first !== undefined) throw invalid('the request carries two payments, PAYMENT-SIGNATURE and X-PAYMENT')
  if (second !== undefined) return readPresented(second, 2)
  return first === undefined ? undefined : readPresented(first, 1)
}

function one(headers: RequestHeaders, name: string): string | undefined {
  const value = headers[name]
  if (typeof value === 'string' || value === undefined) return value
  throw invalid(`the request carries ${name} more than once`)
}

async function ask(desk: Desk, quote: Quote, reason: string, failed: Tender | undefined, options: X402TillOptions) {
  const { terms, clock } = options
  const key = await options.bindingKey()
  const until = Math.floor(clock.now() / 1000) + terms.offerSeconds
  const priced = await Promise.all(desk.ways.map((way) => termsOf(desk, way, amountOf(quote.priceUsd, way.asset.decimals), terms)))
  const offers = priced.map((each) => bindOffer(key, each, quote.digest, until))
  const resource = { url: quote.resource, description: `${quote.model}, one completion`, mimeType: 'application/json' }
  const { encodePaymentRequiredHeader } = await import('@x402/core/http')
  const refusedPayload = failed === undefined ? undefined : failedPayload(failed)
  const required = await desk.server.createPaymentRequiredResponse(offers, resource, reason, undefined, undefined, refusedPayload)
  return {
    headers: { 'payment-required': encodePaymentRequiredHeader(required) },
    body: { x402Version: 1, error: reason, accepts: desk.ways.flatMap((way, at) => offerV1(way, offers[at], resource)) },
  }
}

/** The schemes' servers know a payload by its identity. */
const payloads = new WeakMap<Tender, PaymentPayload>()

function failedPayload(tender: Tender): PaymentPayload | undefined {
  return payloads.get(tender)
}

type Resource = { readonly url: string; readonly description: string; readonly mimeType: string }

/** @see https://github.com/coinbase/x402/blob/main/specs/x402-specification-v1.md, section 5.1 */
function offerV1({ scheme, v1Name }: Way, offer: PaymentRequirements | undefined, resource: Resource): readonly object[] {
  if (offer === undefined || v1Name === undefined || !scheme.inV1) return []
  const { amount, asset, payTo, maxTimeoutSeconds, extra } = offer
  const { url, description, mimeType } = resource
  const where = { scheme: scheme.id, network: v1Name, resource: url, description, mimeType }
  return [
    { ...where, maxAmountRequired: amount, asset, payTo, maxTimeoutSeconds, extra: { name: extra['name'], version: extra['version'] } },
  ]
}

function toTender(desk: Desk, presented: Presented, key: Uint8Array, options: X402TillOptions, revivedFrom?: number): Tender {
  const way = wayOf(desk, presented)
  const place = placeOf(presented, way.asset.address)
  const signed = way.scheme.read(presented.payload.payload)
  const { payTo } = options.terms
  const offered = presented.version === 2 ? BigInt(presented.payload.accepted.amount) : signed.amount
  const payment: SalePayment = {
    ...place,
    key: keyOf(place.network, place.asset, signed.payer, signed.nonce),
    protocol: presented.version === 2 ? 'x402-2' : 'x402-1',
    payer: signed.payer,
    payee: payTo,
    amountOffered: (offered < signed.amount ? offered : signed.amount) as Atomic,
    nonce: signed.nonce,
    validBeforeSeconds: signed.validBeforeSeconds,
  }
  const isRevived = revivedFrom !== undefined
  const claimedAt = revivedFrom ?? options.clock.now()
  const { channels } = options
  const { channel } = way.scheme
  const { payload } = presented.payload
  const settling = createSettling(desk, presented, way, payment, { channels, isRevived })
  let isFirst = !isRevived
  const tender: Tender = {
    payment,
    charging: way.scheme.charging,
    ...(signed.deposit === undefined ? {} : { deposit: signed.deposit }),
    ...(way.scheme.isCorrected === undefined ? {} : { isCorrected: way.scheme.isCorrected }),
    ...(way.scheme.isJudgedFreely === undefined ? {} : { isJudgedFreely: way.scheme.isJudgedFreely }),
    proof: proofOf(presented),
    credential: JSON.stringify({ presented }),
    mismatch: (quote) => mismatch(presented, payment, quote, { way, key, now: Math.floor(options.clock.now() / 1000) }),
    ...(channel === undefined ? {} : sideOf(channel, presented, payment, options)),
    verify: async () => verdictOf(await settling.verify()),
    balance: () => balanceOf(payment, options.chainOf),
    collect: async (amount) => {
      const { chainOf } = options
      const chargedBefore = () => channel?.chargedBefore(channels, payload) ?? Promise.resolve(undefined)
      const collecting = { scheme: way.scheme, payment, amount, claimedAt, chainOf, chargedBefore, settle: () => settling.settle(amount) }
      const collected = isFirst ? await collect(collecting) : await collectAgain(collecting)
      isFirst = false
      return toSettlement(collected, presented.version)
    },
    ...(way.scheme.channel !== undefined
      ? {}
      : { stands: () => standingOf({ scheme: way.scheme, payment, claimedAt, chainOf: options.chainOf }) }),
    cancel: () => settling.cancel(),
  }
  if (presented.version === 2) payloads.set(tender, presented.payload)
  return tender
}

function verdictOf({ isValid, invalidReason }: Verified): Verdict {
  return isValid ? { valid: true } : { valid: false, reason: invalidReason ?? 'the payment is not valid' }
}

/** What a payment out of a channel is besides. */
function sideOf(channel: ChannelSide, { payload }: Presented, { network }: SalePayment, { channels, terms }: X402TillOptions) {
  return {
    async judge(): Promise<Verdict> {
      const reason = await channel.signatureFault(payload.payload, network)
      return reason === undefined ? { valid: true } : { valid: false, reason }
    },
    takeOver: () => channel.takeOver(channels, payload.payload),
    heldSeconds: terms.offerSeconds + channel.heldLongerSeconds,
  }
}

/** The offer that was taken is between us and the payer; of version 1 there is nothing that the chain does not show. */
function proofOf(presented: Presented): string {
  return presented.version === 1 ? '' : bindingOf(presented.payload.accepted)
}

function wayOf(desk: Desk, presented: Presented): Way {
  const { scheme, network } = presented.version === 2 ? presented.payload.accepted : presented.payload
  const way = desk.ways.find((each) => each.scheme.id === scheme && (presented.version === 2 ? each.network : each.v1Name) === network)
  if (way === undefined || (presented.version === 1 && !way.scheme.inV1))
    throw unfit('the payment is by a scheme or on a network that is not offered here')
  return way
}

type Now = { readonly way: Way; readonly key: Uint8Array; readonly now: number }

function mismatch(presented: Presented, payment: SalePayment, quote: Quote, { way, key, now }: Now): string | undefined {
  if (payment.validBeforeSeconds < BigInt(now) + LEAST_SECONDS) return 'payment_expired: the payment is good for too short a time'
  // Version 1 does not say which offer it takes: the price of now is what it must reach.
  if (presented.version === 1) {
    return payment.amountOffered < amountOf(quote.priceUsd, way.asset.decimals) ? 'the payment is below the price' : undefined
  }
  return offerFault(key, presented.payload.accepted, quote.digest, now)
}

function toSettlement(collected: Collected, version: 1 | 2): Settlement {
  if (collected.state !== 'settled') return collected
  const { receipt, amount } = collected
  return {
    state: 'settled',
    amount,
    ...(receipt.transaction === '' ? {} : { transaction: receipt.transaction }),
    headers: receiptHeaders({ ...receipt, amount: receipt.amount ?? amount.toString() }, version),
  }
}

/** @see https://github.com/coinbase/x402/blob/main/specs/transports-v2/http.md, "Settlement Response Delivery" */
function receiptHeaders(receipt: SettleResponse, version: 1 | 2): Record<string, string> {
  const name = findNetwork(receipt.network)?.v1Name
  const said = version === 2 || name === undefined ? receipt : { ...receipt, network: name }
  const text = Buffer.from(JSON.stringify(said)).toString('base64')
  return { [version === 2 ? 'payment-response' : 'x-payment-response']: text }
}

/** The receipt of a sale that was settled before, out of what the ledger holds. */
function receiptOfSale(sale: SaleRow): Record<string, string> | undefined {
  if (sale.state !== 'settled' || sale.protocol === 'mpp') return undefined
  const network = sale.network as SettleResponse['network']
  const receipt = {
    success: true,
    transaction: sale.transaction ?? '',
    network,
    payer: sale.payer,
    amount: sale.amountSettled?.toString() ?? '0',
  }
  return receiptHeaders(receipt, sale.protocol === 'x402-2' ? 2 : 1)
}
