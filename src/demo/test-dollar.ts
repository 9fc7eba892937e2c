/** Puts a play dollar with EIP-3009 at the address of a real one on a local chain, and mints it. */
import { RouteplaneError } from '../errors.ts'
import { isRecord } from '../lib/json.ts'
import type { Atomic } from '../money.ts'
import type { Rpc } from './rpc.ts'
import { testDollarCode } from './test-dollar-artifact.ts'

export type TestDollarOptions = {
  readonly address: `0x${string}`
  /** Name and version of the EIP-712 domain: the real token's, so that signatures mean the same here and there. */
  readonly name: string
  readonly version: string
  readonly symbol?: string
}

const GAS = '0x1c9c380'

/**
 * Installs the token at a chosen address. A constructor runs where its code lies, so the creation code is placed there
 * first: a call of it gives the code to keep (its constants over the right address), a transaction writes its storage.
 *
 * @throws {@link RouteplaneError} `upstream_error` when the node refuses; only anvil knows the methods.
 */
export async function installTestDollar(rpc: Rpc, options: TestDollarOptions): Promise<void> {
  const { concat, encodeAbiParameters } = await import('viem')
  const strings = [{ type: 'string' }, { type: 'string' }, { type: 'string' }] as const
  const parameters = encodeAbiParameters(strings, [options.name, options.symbol ?? 'USDC', options.version])
  const from = await firstAccount(rpc)
  await rpc('anvil_setCode', [options.address, concat([testDollarCode, parameters])])
  const runtime = await rpc('eth_call', [{ from, to: options.address, data: '0x', gas: GAS }, 'latest'])
  await transact(rpc, { from, to: options.address, data: '0x', gas: GAS })
  await rpc('anvil_setCode', [options.address, runtime])
}

/** Mints base units to an owner; the token asks nobody. */
export async function mintTestDollar(rpc: Rpc, address: `0x${string}`, owner: `0x${string}`, amount: Atomic): Promise<void> {
  const { encodeFunctionData, parseAbi } = await import('viem')
  const data = encodeFunctionData({ abi: parseAbi(['function mint(address to, uint256 value)']), args: [owner, amount] })
  await transact(rpc, { from: await firstAccount(rpc), to: address, data, gas: GAS })
}

/** Sends from anvil's own unlocked account and mines at once, whatever its block time. */
async function transact(rpc: Rpc, transaction: Readonly<Record<string, string>>): Promise<void> {
  const hash = await rpc('eth_sendTransaction', [transaction])
  await rpc('evm_mine')
  const receipt = await rpc('eth_getTransactionReceipt', [hash])
  if (isRecord(receipt) && receipt['status'] === '0x1') return
  throw new RouteplaneError('upstream_error', 'a transaction on the local chain failed')
}

async function firstAccount(rpc: Rpc): Promise<string> {
  const accounts = await rpc('eth_accounts')
  const first: unknown = Array.isArray(accounts) ? accounts[0] : undefined
  if (typeof first === 'string') return first
  throw new RouteplaneError('upstream_error', 'the local chain has no unlocked account')
}
