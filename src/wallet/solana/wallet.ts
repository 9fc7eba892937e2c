/** The Solana wallet: an address, and signatures over transfers that its own policy has read out of the very bytes. */
import { RouteplaneError } from '../../errors.ts'
import type { SolanaKey } from './key.ts'
import type { SolanaPolicy } from './policy.ts'

/** A transfer of a token, and the message that is said to make it. */
export type SolanaTransfer = {
  /** CAIP-2 id. */
  readonly network: string
  /** The mint. */
  readonly asset: string
  /** Whose associated account gets it. */
  readonly to: string
  readonly value: bigint
  /** Who pays the network, and signs last: the seller's facilitator. */
  readonly feePayer: string
  readonly blockhash: string
  readonly memo: string
  /** When the network will have stopped taking it, by estimate; Unix seconds. */
  readonly validBeforeSeconds: bigint
  /** What is signed. */
  readonly message: Uint8Array
}

/** What was agreed before the wallet was asked; the policy repeats the comparison. */
export type SolanaGrant = { readonly attemptId: string; readonly payee: string; readonly maxValue: bigint }

export type SolanaWallet = {
  readonly address: string
  /**
   * Signs the message, once it has been found to be the transfer and nothing else. The same one gives the same signature.
   *
   * @throws RouteplaneError `policy_refused` when anything differs from the grant, the transfer or the token table.
   */
  signTransfer(transfer: SolanaTransfer, grant: SolanaGrant): Promise<Uint8Array>
}

export type SolanaWalletOptions = {
  /** What the key is said to be of; compared with the key once it is open. */
  readonly address: string
  /** Opened at the first signature: starting up costs no password work. */
  openKey(): Promise<SolanaKey>
  readonly policy: SolanaPolicy
}

export function createSolanaWallet({ address, openKey, policy }: SolanaWalletOptions): SolanaWallet {
  let opening: Promise<SolanaKey> | undefined
  const open = async (): Promise<SolanaKey> => {
    const key = await openKey()
    if (key.address === address) return key
    throw new RouteplaneError('keystore_invalid', `the key file names ${address}, but its key is ${key.address}`)
  }
  return {
    address,
    async signTransfer(asked, grant) {
      // A copy: what is judged and what is signed must be the same bytes.
      const transfer = { ...asked, message: Uint8Array.from(asked.message) }
      opening ??= open().catch((error: unknown) => {
        opening = undefined
        throw error
      })
      const key = await opening
      policy.approve(transfer, grant, address)
      return key.signMessage(transfer.message)
    },
  }
}
