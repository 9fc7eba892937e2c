/** Reads the transfer that a payer of Tempo has signed, out of the transaction that carries it. */
import { tip20Abi } from '../../../../contracts-abi/tip20.ts'
import type { AssetRow } from '../../../chain/networks.ts'
import type { Atomic } from '../../../money.ts'
import { invalid } from '../../x402/read.ts'

export type SignedTransfer = {
  readonly payer: `0x${string}`
  readonly to: `0x${string}`
  readonly amount: Atomic
  readonly memo: `0x${string}`
  /** Unix seconds; the network itself allows half a minute. */
  readonly validBeforeSeconds: bigint
  /** As the network wants it. */
  readonly transaction: `0x${string}`
}

/** @throws RouteplaneError `invalid_payment` for anything but one signed transaction with a memo transfer of the token. */
export async function readTransfer(signed: `0x${string}`, asset: AssetRow): Promise<SignedTransfer> {
  const [{ Transaction }, { decodeFunctionData, fromRlp, getAddress, isAddressEqual, toRlp }] = await Promise.all([
    import('viem/tempo'),
    import('viem'),
  ])
  try {
    const transaction = Transaction.deserialize(signed as `0x76${string}`)
    const { calls, from, validBefore } = transaction as typeof transaction & { readonly from?: `0x${string}` }
    const body = `0x${signed.slice(4)}` as const
    // A reader passes over what stands behind a transaction, and a node need not take it then.
    const isWhole = toRlp(fromRlp(body)) === body.toLowerCase()
    for (const { to, data } of isWhole ? calls : []) {
      if (to === undefined || to === null || data === undefined || !isAddressEqual(to, asset.address)) continue
      const { args } = decodeFunctionData({ abi: tip20Abi, data })
      if (from === undefined || validBefore === undefined) break
      const [payee, amount, memo] = args
      const sent = { to: payee, amount: amount as Atomic, memo }
      return { payer: getAddress(from), ...sent, validBeforeSeconds: BigInt(validBefore), transaction: signed }
    }
  } catch {
    // Said below: what cannot be read pays for nothing.
  }
  throw invalid(`the transaction of the payment is no signed transfer of ${asset.symbol} with a memo and an end`)
}
