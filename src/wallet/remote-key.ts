/** A key that lives elsewhere: a JSON-RPC endpoint signs typed data with it, after our own policy, and every answer is checked. */
import { RouteplaneError } from '../errors.ts'
import type { Secret } from '../lib/log.ts'
import type { SigningKey } from './key.ts'

export type RemoteKeyOptions = {
  /** Takes `eth_signTypedData_v4`. Secret, because such URLs often carry their password. */
  readonly url: Secret
  /** Whose signatures are taken; any other is refused. */
  readonly address: `0x${string}`
}

/** A signer that needs a person's click is not for this: the provider waits meanwhile. */
const TIMEOUT_MS = 10_000

/**
 * Makes a key of an endpoint as in EIP-1193 and EIP-712; nothing is sent before the first signature.
 *
 * A signature that comes too late is never used, and nobody but the signer has seen it.
 *
 * @see https://eips.ethereum.org/EIPS/eip-712, "Specification of the eth_signTypedData JSON RPC"
 */
export function createRemoteKey({ url, address }: RemoteKeyOptions): SigningKey {
  return {
    address,
    async signTypedData(typedData) {
      const { createWalletClient, http, recoverTypedDataAddress } = await import('viem')
      const client = createWalletClient({ transport: http(url.reveal(), { timeout: TIMEOUT_MS, retryCount: 0 }) })
      const answer = await client.signTypedData({ ...typedData, account: address }).catch(() => {
        // The signer's own words may quote its URL or what it was asked to sign.
        throw unsigned('did not sign')
      })
      const signature = await normalise(answer)
      const signer = await recoverTypedDataAddress({ ...typedData, signature }).catch(() => undefined)
      if (signer?.toLowerCase() === address.toLowerCase()) return signature
      throw unsigned(`answered with a signature that is not of ${address}`)
    },
    async signHash() {
      throw unsigned('signs typed data only, and this network wants a whole transaction')
    },
  }
}

/** Some signers count the recovery bit from 0; tokens want 27 or 28. */
async function normalise(answer: unknown): Promise<`0x${string}`> {
  const { parseSignature, serializeSignature } = await import('viem')
  if (typeof answer !== 'string' || !/^0x[0-9a-fA-F]{130}$/.test(answer)) throw unsigned('answered with something that is no signature')
  try {
    return serializeSignature(parseSignature(answer as `0x${string}`))
  } catch {
    throw unsigned('answered with something that is no signature')
  }
}

function unsigned(what: string): RouteplaneError {
  return new RouteplaneError('wallet_locked', `the remote signer ${what}`, {
    hint: 'Look at the signer of wallet.signer, and at its address.',
  })
}
