/** Puts a contract at a chosen address of a local chain, as if it had been deployed there. */
import { RouteplaneError } from '../errors.ts'
import { isRecord } from '../lib/json.ts'
import type { Rpc } from './rpc.ts'

/** More than any of our transactions needs. */
export const GAS = '0x1c9c380'

/**
 * Installs creation code at an address. A constructor runs where its code lies, so the creation code is placed there
 * first: a call of it gives the code to keep (its constants over the right address), a transaction writes its storage.
 *
 * @throws {@link RouteplaneError} `upstream_error` when the node refuses; only anvil knows the methods.
 */
export async function installContract(rpc: Rpc, address: `0x${string}`, creationCode: `0x${string}`): Promise<void> {
  const from = await firstAccount(rpc)
  await rpc('anvil_setCode', [address, creationCode])
  const runtime = await rpc('eth_call', [{ from, to: address, data: '0x', gas: GAS }, 'latest'])
  await transact(rpc, { from, to: address, data: '0x', gas: GAS })
  await rpc('anvil_setCode', [address, runtime])
}

/** Sends from anvil's own unlocked account and mines at once, whatever its block time. */
export async function transact(rpc: Rpc, transaction: Readonly<Record<string, string>>): Promise<void> {
  const hash = await rpc('eth_sendTransaction', [transaction])
  await rpc('evm_mine')
  const receipt = await rpc('eth_getTransactionReceipt', [hash])
  if (isRecord(receipt) && receipt['status'] === '0x1') return
  throw new RouteplaneError('upstream_error', 'a transaction on the local chain failed')
}

export async function firstAccount(rpc: Rpc): Promise<string> {
  const accounts = await rpc('eth_accounts')
  const first: unknown = Array.isArray(accounts) ? accounts[0] : undefined
  if (typeof first === 'string') return first
  throw new RouteplaneError('upstream_error', 'the local chain has no unlocked account')
}
