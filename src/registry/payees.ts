/** Who is paid: an address on the EVM networks, one on Solana, or both. */
import { isSolanaAddress } from '../chain/solana/address.ts'

export type Payees = { readonly payTo?: `0x${string}`; readonly solanaPayTo?: string }

/** As a payment block names them: the first field takes an address of either kind. */
export type PayeeFields = { readonly x402_address?: string | undefined; readonly x402_solana_address?: string | undefined }

/** Tells an address by its form. The schema has checked both fields. */
export function payeesOf({ x402_address: address, x402_solana_address: own }: PayeeFields): Payees {
  const isEvm = address?.startsWith('0x') === true
  const solanaPayTo = own ?? (isEvm ? undefined : address)
  return {
    ...(isEvm ? { payTo: address as `0x${string}` } : {}),
    ...(solanaPayTo === undefined ? {} : { solanaPayTo }),
  }
}

/** The networks that a silent block means, by the addresses it names. */
export function defaultNetworks({ payTo, solanaPayTo }: Payees, evm: readonly string[], solana: readonly string[]): readonly string[] {
  return [...(payTo === undefined ? [] : evm), ...(solanaPayTo === undefined ? [] : solana)]
}

/** Two payees on one network: nobody could say which is meant. */
export function hasTwoSolanaPayees({ x402_address: address, x402_solana_address: own }: PayeeFields): boolean {
  return address !== undefined && own !== undefined && isSolanaAddress(address) && address !== own
}
