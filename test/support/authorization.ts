/** Signs and settles EIP-3009 authorizations on a demo network, below every protocol. */
import { encodeFunctionData } from 'viem'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import type { DemoNetwork } from '../../src/demo/network.ts'
import type { TransferAuthorization, Wallet } from '../../src/wallet/wallet.ts'
import { randomHex } from './chain.ts'

export type Signed = TransferAuthorization & { readonly from: `0x${string}`; readonly signature: `0x${string}` }

/** Lets the wallet sign a payment of the network's asset; what is not given is sensible. */
export async function authorize(
  network: DemoNetwork,
  wallet: Wallet,
  wanted: { readonly to: `0x${string}`; readonly value: bigint; readonly nonce?: `0x${string}`; readonly validBeforeSeconds?: bigint },
): Promise<Signed> {
  const { timestampSeconds } = await network.chain.latestBlock()
  const authorization: TransferAuthorization = {
    network: network.network,
    asset: network.asset.address,
    to: wanted.to,
    value: wanted.value,
    validAfterSeconds: 0n,
    validBeforeSeconds: wanted.validBeforeSeconds ?? timestampSeconds + 120n,
    nonce: wanted.nonce ?? randomHex(32),
  }
  const signature = await wallet.signTransfer(authorization, { attemptId: 'att_test', payee: wanted.to, maxValue: wanted.value })
  return { ...authorization, from: wallet.address, signature }
}

/** Calldata of `transferWithAuthorization` in its packed form. */
export function transferCall(signed: Signed): `0x${string}` {
  const { from, to, value, validAfterSeconds, validBeforeSeconds, nonce, signature } = signed
  return encodeFunctionData({
    abi: eip3009Abi,
    functionName: 'transferWithAuthorization',
    args: [from, to, value, validAfterSeconds, validBeforeSeconds, nonce, signature],
  })
}

/** Sends a call from anvil's unlocked account and gives the hash once it is mined; rejects with `reverted` when the contract refused. */
export async function send(network: DemoNetwork, to: `0x${string}` | undefined, data: `0x${string}`): Promise<`0x${string}`> {
  const { rpc } = network.anvil
  const [from] = (await rpc('eth_accounts')) as string[]
  const hash = (await rpc('eth_sendTransaction', [{ from, data, ...(to === undefined ? {} : { to }) }])) as `0x${string}`
  await rpc('evm_mine')
  const receipt = (await rpc('eth_getTransactionReceipt', [hash])) as { status: string }
  if (receipt.status !== '0x1') throw new Error('reverted')
  return hash
}

/** Settles as a payee would by himself: straight at the token. */
export function settle(network: DemoNetwork, signed: Signed): Promise<`0x${string}`> {
  return send(network, network.asset.address, transferCall(signed))
}
