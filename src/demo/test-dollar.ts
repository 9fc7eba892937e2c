/** Puts a play dollar with EIP-3009 at the address of a real one on a local chain, and mints it. */
import type { Atomic } from '../money.ts'
import { firstAccount, GAS, installContract, transact } from './install-contract.ts'
import type { Rpc } from './rpc.ts'
import { testDollarCode } from './test-dollar-artifact.ts'

export type TestDollarOptions = {
  readonly address: `0x${string}`
  /** Name and version of the EIP-712 domain: the real token's, so that signatures mean the same here and there. */
  readonly name: string
  readonly version: string
  readonly symbol?: string
}

/** @throws {@link import('../errors.ts').RouteplaneError} `upstream_error` when the node refuses; only anvil knows the methods. */
export async function installTestDollar(rpc: Rpc, options: TestDollarOptions): Promise<void> {
  const { concat, encodeAbiParameters } = await import('viem')
  const strings = [{ type: 'string' }, { type: 'string' }, { type: 'string' }] as const
  const parameters = encodeAbiParameters(strings, [options.name, options.symbol ?? 'USDC', options.version])
  await installContract(rpc, options.address, concat([testDollarCode, parameters]))
}

/** Mints base units to an owner; the token asks nobody. */
export async function mintTestDollar(rpc: Rpc, address: `0x${string}`, owner: `0x${string}`, amount: Atomic): Promise<void> {
  const { encodeFunctionData, parseAbi } = await import('viem')
  const data = encodeFunctionData({ abi: parseAbi(['function mint(address to, uint256 value)']), args: [owner, amount] })
  await transact(rpc, { from: await firstAccount(rpc), to: address, data, gas: GAS })
}
