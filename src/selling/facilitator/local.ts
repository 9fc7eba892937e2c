/** A facilitator in this process: the official one, which settles with a key of the operator's own through his node. */
import type { FacilitatorClient } from '@x402/core/server'
import type { Network } from '@x402/core/types'
import type { FacilitatorEvmSigner } from '@x402/evm'
import type { PrivateKeyAccount } from 'viem/accounts'
import { chainIdOf, findNetwork } from '../../chain/networks.ts'
import type { Secret } from '../../lib/log.ts'
import { createLooks, type Looks } from './looks.ts'

export type LocalFacilitatorOptions = {
  /** CAIP-2 ids with the node of each; a secret, because RPC providers put keys into their URLs. */
  readonly nodes: ReadonlyMap<string, Secret>
  /** Pays for gas; it never holds what is sold for. */
  readonly key: Secret
  /** How long a settlement waits for its receipt before it is called pending, in milliseconds. */
  readonly confirmationTimeoutMs?: number
  /** Between two looks for a receipt, in milliseconds. */
  readonly pollMs?: number
}

export type LocalFacilitator = { readonly address: `0x${string}`; readonly client: FacilitatorClient }

const CONFIRMATION_TIMEOUT_MS = 30_000
const POLL_MS = 250

/**
 * Makes a facilitator for x402 v2 and v1. The packages are loaded here: a gateway that sells nothing does not pay for them.
 *
 * @see https://github.com/coinbase/x402/blob/main/specs/x402-specification-v2.md, "Facilitator Interface"
 */
export async function createLocalFacilitator(options: LocalFacilitatorOptions): Promise<LocalFacilitator> {
  const [{ x402Facilitator }, { ExactEvmScheme }, { ExactEvmSchemeV1 }, { UptoEvmScheme }, { BatchSettlementEvmScheme }, accounts] =
    await Promise.all([
      import('@x402/core/facilitator'),
      import('@x402/evm/exact/facilitator'),
      import('@x402/evm/exact/v1/facilitator'),
      import('@x402/evm/upto/facilitator'),
      import('@x402/evm/batch-settlement/facilitator'),
      import('viem/accounts'),
    ])
  const key = options.key.reveal()
  const account = accounts.privateKeyToAccount((key.startsWith('0x') ? key : `0x${key}`) as `0x${string}`)
  const facilitator = new x402Facilitator()
  const looks = new Map<string, Looks>()
  for (const [id, node] of options.nodes) {
    const network = id as Network
    const { signer, eyes } = await createSigner(account, id, node, options)
    looks.set(id, eyes)
    facilitator.register(network, new ExactEvmScheme(signer))
    facilitator.register(network, new UptoEvmScheme(signer))
    facilitator.register(network, new BatchSettlementEvmScheme(signer, account))
    const v1Name = findNetwork(id)?.v1Name
    if (v1Name !== undefined) facilitator.registerV1(v1Name as Network, new ExactEvmSchemeV1(signer))
  }
  return {
    address: account.address,
    client: {
      verify(payload, requirements) {
        looks.get(requirements.network)?.ahead(payload, requirements)
        return facilitator.verify(payload, requirements)
      },
      settle: (payload, requirements) => facilitator.settle(payload, requirements),
      // The facilitator types its kinds more loosely than its own client does.
      getSupported: async () => facilitator.getSupported() as Awaited<ReturnType<FacilitatorClient['getSupported']>>,
    },
  }
}

/** One transaction is prepared and sent at a time: prepared together, several would take the same account nonce. */
async function createSigner(
  account: PrivateKeyAccount,
  network: string,
  node: Secret,
  options: LocalFacilitatorOptions,
): Promise<{ readonly signer: FacilitatorEvmSigner; readonly eyes: Looks }> {
  const [{ createWalletClient, defineChain, http, publicActions }, { toFacilitatorEvmSigner }] = await Promise.all([
    import('viem'),
    import('@x402/evm'),
  ])
  const chain = defineChain({
    id: chainIdOf(network),
    name: network,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [node.reveal()] } },
  })
  const pollingInterval = options.pollMs ?? POLL_MS
  const wallet = createWalletClient({ account, chain, transport: http(), pollingInterval, cacheTime: 0 }).extend(publicActions)
  const inTurn = createTurns()
  const eyes = createLooks({ readContract: (call) => wallet.readContract(call), getCode: (of) => wallet.getCode(of) })
  const signer = toFacilitatorEvmSigner(
    {
      address: account.address,
      readContract: (call) => eyes.readContract(call),
      verifyTypedData: (call) => wallet.verifyTypedData(call as Parameters<typeof wallet.verifyTypedData>[0]),
      writeContract: (call) => inTurn(() => wallet.writeContract(call)),
      sendTransaction: (call) => inTurn(() => wallet.sendTransaction(call)),
      waitForTransactionReceipt: (call) => wallet.waitForTransactionReceipt(call),
      getCode: (of) => eyes.getCode(of),
    },
    { confirmationTimeoutMs: options.confirmationTimeoutMs ?? CONFIRMATION_TIMEOUT_MS },
  )
  return { signer, eyes }
}

/** Runs tasks one after another; a failed one does not stop the next. */
function createTurns(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const turn = last.then(task, task)
    last = turn.catch(() => {})
    return turn
  }
}
