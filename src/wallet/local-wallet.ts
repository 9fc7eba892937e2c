/** A wallet in this process: its policy judges, then its key signs typed data built from our own asset table. */
import { eip3009Types } from '../../contracts-abi/eip3009.ts'
import { chainIdOf } from '../chain/networks.ts'
import type { WalletKey } from './key.ts'
import type { SigningPolicy } from './policy.ts'
import { serializeTempo } from './tempo-transfer.ts'
import type { Wallet } from './wallet.ts'

export type LocalWalletOptions = { readonly key: WalletKey; readonly policy: SigningPolicy }

/**
 * Makes a wallet that signs payments and nothing else. The same authorization gives the same signature
 * (RFC 6979), so a lost one can be made again.
 *
 * @see https://eips.ethereum.org/EIPS/eip-3009
 */
export function createLocalWallet({ key, policy }: LocalWalletOptions): Wallet {
  return {
    address: key.address,
    async signTransfer(asked, grant) {
      // A copy: what is judged and what is signed must be the same values, even of an object whose fields change.
      const authorization = { ...asked }
      const row = policy.approve(authorization, grant, key.address)
      return key.signTypedData({
        domain: { ...row.domain, chainId: chainIdOf(row.network), verifyingContract: row.address },
        types: eip3009Types,
        primaryType: 'TransferWithAuthorization',
        message: {
          from: key.address,
          to: authorization.to.toLowerCase(),
          value: authorization.value,
          validAfter: authorization.validAfterSeconds,
          validBefore: authorization.validBeforeSeconds,
          nonce: authorization.nonce,
        },
      })
    },
    async signTempoTransfer(asked, grant) {
      const transfer = { ...asked }
      const row = policy.approveTempo(transfer, grant, key.address)
      return serializeTempo({ ...transfer, asset: row.address }, (hash) => key.signHash(hash))
    },
  }
}
