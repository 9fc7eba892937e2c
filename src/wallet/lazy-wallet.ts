/** A wallet whose key is opened at its first signature: starting up costs no password work, and no key lies in memory unused. */
import { RouteplaneError } from '../errors.ts'
import type { WalletKey } from './key.ts'
import { createLocalWallet } from './local-wallet.ts'
import type { SigningPolicy } from './policy.ts'
import type { Wallet } from './wallet.ts'

export type LazyWalletOptions = {
  /** What the key file claims; compared with the key once it is open. */
  readonly address: `0x${string}`
  openKey(): Promise<WalletKey>
  readonly policy: SigningPolicy
}

export function createLazyWallet({ address, openKey, policy }: LazyWalletOptions): Wallet {
  let opening: Promise<Wallet> | undefined
  const open = async (): Promise<Wallet> => {
    const key = await openKey()
    if (key.address === address) return createLocalWallet({ key, policy })
    throw new RouteplaneError('keystore_invalid', `the key file names ${address}, but its key is ${key.address}`)
  }
  const unlocked = async (): Promise<Wallet> => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined
      throw error
    })
    return opening
  }
  return {
    address,
    signTransfer: async (authorization, grant) => (await unlocked()).signTransfer(authorization, grant),
    signPermit: async (permit, grant) => (await unlocked()).signPermit(permit, grant),
    signLeave: async (leave, grant) => (await unlocked()).signLeave(leave, grant),
    signDeposit: async (deposit, grant) => (await unlocked()).signDeposit(deposit, grant),
    signAllowance: async (allowance, grant) => (await unlocked()).signAllowance(allowance, grant),
    signWithdrawal: async (withdrawal, grant) => (await unlocked()).signWithdrawal(withdrawal, grant),
    signTempoReserve: async (call, grant) => (await unlocked()).signTempoReserve(call, grant),
    signTempoTransfer: async (transfer, grant) => (await unlocked()).signTempoTransfer(transfer, grant),
    signTempoOpening: async (opening, grant) => (await unlocked()).signTempoOpening(opening, grant),
  }
}
