/** `evm/charge`: the same EIP-3009 authorization that x402 settles, asked for in other words. */
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { keccakOf } from '../../../chain/keccak.ts'
import { chainIdOf, type AssetRow } from '../../../chain/networks.ts'
import type { SalePayment } from '../../../ledger/sale.ts'
import type { Atomic } from '../../../money.ts'
import { amountOf } from '../../charge.ts'
import type { FacilitatorClient } from '../../facilitator/pool.ts'
import type { Quote, Settlement, Tender } from '../../till.ts'
import { balanceOf, collect, collectAgain, standingOf, type Collected } from '../../x402/collect.ts'
import { keyOf, member, unfit } from '../../x402/read.ts'
import { exact } from '../../x402/scheme/exact.ts'
import { challengeFault } from '../challenge.ts'
import type { MppDesk, SellingMethod, Taken } from '../method.ts'
import { paymentBy } from '../payment.ts'
import { wantedIn } from '../read.ts'
import { receiptHeaders } from '../receipt.ts'

/** Seconds that a payment must still be good for when it is handed over. */
const LEAST_SECONDS = 10n

export const evmCharge: SellingMethod = {
  id: 'evm/charge',
  charging: 'quote',
  takes: ({ transferMethod }) => transferMethod === 'eip3009',
  async ask(quote, asset, { terms }) {
    const most = amountOf(quote.priceUsd, asset.decimals)
    const methodDetails = { chainId: chainIdOf(asset.network), credentialTypes: ['authorization'], decimals: asset.decimals }
    const request = { amount: most.toString(), currency: asset.address, methodDetails, recipient: terms.payTo }
    return { method: evmCharge.id, request, most }
  },
  take,
}

async function take({ presented, asset, claimedAt, isRevived }: Taken, desk: MppDesk): Promise<Tender> {
  const { challenge, payload } = presented
  if (payload['type'] !== 'authorization') throw unfit('the payment is by a method that is not offered here')
  const authorization = readAuthorization(payload)
  const signed = {
    payer: authorization.from,
    nonce: authorization.nonce,
    amount: authorization.value,
    validBeforeSeconds: authorization.validBefore,
  }
  const payment: SalePayment = {
    // The token knows one authorization, in whichever words it was handed over.
    key: keyOf(asset.network, asset.address, signed.payer, signed.nonce),
    ...paymentBy(evmCharge.id, signed, asset, desk),
  }
  const key = await desk.bindingKey()
  const nonce = await keccakOf(`${challenge.id}${challenge.realm}`)
  const settling = createSettling(authorization, asset, desk)
  let isFirst = !isRevived
  return {
    payment,
    charging: 'quote',
    isJudgedFreely: true,
    proof: challenge.id,
    credential: JSON.stringify({ header: presented.header }),
    mismatch(quote: Quote) {
      if (authorization.validBefore * 1_000n < BigInt(desk.clock.now()) + LEAST_SECONDS * 1_000n)
        return 'payment_expired: the payment is good for too short a time'
      if (authorization.nonce.toLowerCase() !== nonce || authorization.value.toString() !== wantedIn(challenge)?.amount)
        return 'the payment is not the one that its challenge asks for'
      return challengeFault(key, challenge, quote.digest, desk.clock.now())
    },
    async verify() {
      const { isValid, invalidReason } = await settling.verify()
      return isValid ? { valid: true } : { valid: false, reason: invalidReason ?? 'the payment is not valid' }
    },
    balance: () => balanceOf(payment, desk.chainOf),
    async collect(amount) {
      const collecting = { scheme: exact, payment, amount, claimedAt, chainOf: desk.chainOf, settle: settling.settle }
      const collected = isFirst ? await collect(collecting) : await collectAgain(collecting)
      isFirst = false
      return toSettlement(collected, amount, desk.clock.now())
    },
    stands: () => standingOf({ scheme: exact, payment, claimedAt, chainOf: desk.chainOf }),
    cancel: () => Promise.resolve(),
  }
}

/** An EIP-3009 authorization, as the protocol's own words spell it. */
type Authorization = {
  readonly from: string
  readonly to: string
  readonly value: Atomic
  readonly validAfter: bigint
  readonly validBefore: bigint
  readonly nonce: string
  readonly signature: string
}

function readAuthorization(payload: Readonly<Record<string, unknown>>): Authorization {
  return {
    from: member.address(payload, 'from'),
    to: member.address(payload, 'to'),
    value: member.integer(payload, 'value') as Atomic,
    validAfter: member.integer(payload, 'validAfter'),
    validBefore: member.integer(payload, 'validBefore'),
    nonce: member.bytes32(payload, 'nonce'),
    signature: member.hex(payload, 'signature'),
  }
}

type Settling = {
  verify(): Promise<{ readonly isValid: boolean; readonly invalidReason?: string }>
  settle(): ReturnType<FacilitatorClient['settle']>
}

/** A facilitator of x402 settles it: to the token the authorization is the same. */
function createSettling(given: Authorization, asset: AssetRow, { terms, openFacilitator }: MppDesk): Settling {
  const { signature, from, to, nonce } = given
  const value = given.value.toString()
  const requirements: PaymentRequirements = {
    scheme: 'exact',
    network: asset.network as PaymentRequirements['network'],
    amount: value,
    asset: asset.address,
    payTo: terms.payTo,
    maxTimeoutSeconds: terms.offerSeconds,
    extra: { ...asset.domain, assetTransferMethod: 'eip3009' },
  }
  const times = { validAfter: given.validAfter.toString(), validBefore: given.validBefore.toString() }
  const authorization = { from, to, value, ...times, nonce }
  const payment = { x402Version: 2, accepted: requirements, payload: { authorization, signature } } as unknown as PaymentPayload
  return {
    verify: async () => (await openFacilitator()).verify(payment, requirements),
    settle: async () => (await openFacilitator()).settle(payment, requirements),
  }
}

function toSettlement(collected: Collected, amount: SalePayment['amountOffered'], timestamp: number): Settlement {
  if (collected.state !== 'settled') return collected
  const { transaction } = collected.receipt
  return { state: 'settled', amount, transaction, headers: receiptHeaders({ method: 'evm', reference: transaction, timestamp }) }
}
