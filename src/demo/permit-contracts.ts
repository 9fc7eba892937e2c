/** Puts Permit2 and our stand-ins for x402's proxies where the real ones stand, on a local chain. */
import { canonicalContracts } from '../../contracts-abi/assets.ts'
import { startAnvil } from './anvil.ts'
import { callAggregatorCode } from './call-aggregator-artifact.ts'
import { ceilingPermitsCode } from './ceiling-permits-artifact.ts'
import { exactPermitsCode } from './exact-permits-artifact.ts'
import { GAS, installContract, transact } from './install-contract.ts'
import type { Rpc } from './rpc.ts'

/**
 * Permit2's own code is not ours to ship: anvil has it in its Tempo kind, from where it is read.
 *
 * @throws {@link import('../errors.ts').RouteplaneError} `upstream_error` when the node refuses, `config_invalid` without anvil.
 */
export async function installPermitContracts(rpc: Rpc, anvilInstalledIn?: string): Promise<void> {
  const { permit2, multicall3, x402ExactPermit2Proxy, x402UptoPermit2Proxy } = canonicalContracts
  const genuine = await startAnvil({
    chainId: 1,
    tempo: true,
    ...(anvilInstalledIn === undefined ? {} : { installedIn: anvilInstalledIn }),
  })
  try {
    await rpc('anvil_setCode', [permit2, await genuine.rpc('eth_getCode', [permit2, 'latest'])])
  } finally {
    await genuine.stop()
  }
  await installContract(rpc, multicall3, callAggregatorCode)
  await installContract(rpc, x402ExactPermit2Proxy, exactPermitsCode)
  await installContract(rpc, x402UptoPermit2Proxy, ceilingPermitsCode)
}

/** Lets Permit2 take up to `amount` base units of an owner's tokens, as the owner himself would say it. */
export async function approvePermits(rpc: Rpc, token: `0x${string}`, owner: `0x${string}`, amount: bigint): Promise<void> {
  const { encodeFunctionData } = await import('viem')
  const { erc20Abi } = await import('../../contracts-abi/erc20.ts')
  const data = encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [canonicalContracts.permit2, amount] })
  await rpc('anvil_setBalance', [owner, '0xde0b6b3a7640000'])
  await rpc('anvil_impersonateAccount', [owner])
  await transact(rpc, { from: owner, to: token, data, gas: GAS })
  await rpc('anvil_stopImpersonatingAccount', [owner])
}
