/** Judges and settles one payment by the official server, as its version wants it. */
import type { PaymentPayload, PaymentRequirements, SettleResponse } from '@x402/core/types'
import type { SaleChannels, SalePayment } from '../../ledger/sale.ts'
import type { Atomic } from '../../money.ts'
import type { Desk, Way } from './desk.ts'
import type { Presented } from './read.ts'

export type Verified = { readonly isValid: boolean; readonly invalidReason?: string }

export type Settling = {
  verify(): Promise<Verified>
  settle(amount: Atomic): Promise<SettleResponse>
  cancel(): Promise<void>
}

type SettlingOptions = {
  readonly channels: SaleChannels
  /** Whether another process has judged it, or this one before. */
  readonly isRevived: boolean
}

export function createSettling(
  { server, client }: Desk,
  presented: Presented,
  way: Way,
  payment: SalePayment,
  { channels, isRevived }: SettlingOptions,
): Settling {
  if (presented.version === 1) {
    const payload = presented.payload as unknown as PaymentPayload
    const terms = termsV1(way, payment) as unknown as PaymentRequirements
    return { verify: () => client.verify(payload, terms), settle: () => client.settle(payload, terms), cancel: () => Promise.resolve() }
  }
  const { payload } = presented
  const terms = payload.accepted
  const { charging, channel } = way.scheme
  const cancel = async () => {
    await server
      .createPaymentCancellationDispatcher(payload, terms)
      .cancel({ reason: 'handler_failed' })
      .catch(() => {})
  }
  /** What a metered scheme's server remembers of verifying ended with the process that verified. */
  const verifyAgain = async (): Promise<PaymentPayload> => {
    await channel?.takeOver(channels, payload.payload)
    const { isValid } = await server.verifyPayment(payload, terms)
    const voucher = isValid ? undefined : channel?.voucherOf(payload.payload)
    if (voucher === undefined) return payload
    const left = { ...payload, payload: voucher }
    await server.verifyPayment(left, terms)
    return left
  }
  return {
    async verify() {
      const verdict = await server.verifyPayment(payload, terms)
      const objection = verdict.isValid ? await channel?.objection(channels, payload.payload) : undefined
      if (objection === undefined) return verdict
      await cancel()
      return { isValid: false, invalidReason: objection }
    },
    async settle(amount) {
      if (charging === 'quote') return server.settlePayment(payload, terms)
      const due = isRevived ? await verifyAgain() : payload
      return server.settlePayment(due, terms, undefined, undefined, { amount: amount.toString() })
    },
    cancel,
  }
}

function termsV1({ scheme, v1Name, asset }: Way, payment: SalePayment): object {
  return {
    scheme: scheme.id,
    network: v1Name,
    maxAmountRequired: payment.amountOffered.toString(),
    resource: '',
    description: '',
    mimeType: '',
    payTo: payment.payee,
    maxTimeoutSeconds: 300,
    asset: asset.address,
    extra: { ...asset.domain },
  }
}
