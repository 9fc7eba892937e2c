/** Reads what an owner's leave for Permit2 by EIP-2612 must be signed over: the token's next nonce, if it is the token of our table. */
import type { PublicClient } from 'viem'
import { eip2612Abi } from '../../contracts-abi/eip2612.ts'
import { errorNames } from './client.ts'
import { chainIdOf, type AssetRow } from './networks.ts'

/** @returns `undefined` for a token without EIP-2612, or whose domain is not the one of our table: a signature would be worth nothing. */
export async function leaveNonce(
  client: PublicClient,
  { address, network, domain }: AssetRow,
  owner: `0x${string}`,
): Promise<bigint | undefined> {
  const { domainSeparator } = await import('viem')
  const contract = { address, abi: eip2612Abi } as const
  const read = Promise.all([
    client.readContract({ ...contract, functionName: 'nonces', args: [owner] }),
    client.readContract({ ...contract, functionName: 'DOMAIN_SEPARATOR' }),
  ])
  const answers = await read.catch((thrown: unknown) => {
    // The token's own no is an answer; a node that fails is none.
    if (errorNames(thrown).some((name) => name === 'ContractFunctionZeroDataError' || name === 'ContractFunctionRevertedError'))
      return undefined
    throw thrown
  })
  if (answers === undefined) return undefined
  const [nonce, separator] = answers
  const own = domainSeparator({ domain: { ...domain, chainId: chainIdOf(network), verifyingContract: address } })
  return own === separator ? nonce : undefined
}
