/** The payment that a credential makes, as the ledger knows it. */
import type { AssetRow } from '../../chain/networks.ts'
import type { SalePayment } from '../../ledger/sale.ts'
import type { Signed } from '../x402/read.ts'
import type { MppDesk } from './method.ts'

/** @returns all but its key: what counts as one payment is each method's own to say. */
export function paymentBy(
  method: string,
  { payer, nonce, amount, validBeforeSeconds }: Signed,
  asset: AssetRow,
  { terms }: Pick<MppDesk, 'terms'>,
): Omit<SalePayment, 'key'> {
  return {
    protocol: 'mpp',
    scheme: method,
    network: asset.network,
    asset: asset.address,
    decimals: asset.decimals,
    payer,
    payee: terms.payTo,
    amountOffered: amount,
    nonce,
    validBeforeSeconds,
  }
}
