/** Settles x402 payments on a local chain with the official facilitator, in this process or over HTTP. */
import type { HttpBindings } from '@hono/node-server'
import { x402Facilitator } from '@x402/core/facilitator'
import type { FacilitatorClient } from '@x402/core/server'
import type { Network, PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { toFacilitatorEvmSigner } from '@x402/evm'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/facilitator'
import { ExactEvmScheme } from '@x402/evm/exact/facilitator'
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/facilitator'
import { UptoEvmScheme } from '@x402/evm/upto/facilitator'
import { Hono } from 'hono'
import { createWalletClient, defineChain, http, publicActions } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { chainIdOf, findNetwork } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import { randomBytesOf } from '../lib/id.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import { createRpc } from './rpc.ts'

export type FacilitatorOptions = {
  readonly network: string
  /** Of an anvil: the gas is minted, not bought. */
  readonly rpcUrl: string
  /** How long a settlement waits for its receipt before it is called pending, in milliseconds. */
  readonly confirmationTimeoutMs?: number
}

export type DemoFacilitator = {
  readonly address: `0x${string}`
  /** What `x402ResourceServer` takes. */
  readonly client: FacilitatorClient
}

const POLL_MS = 25
const CONFIRMATION_TIMEOUT_MS = 30_000
const GAS_MONEY = '0x3635c9adc5dea00000'

/**
 * Makes a facilitator for x402 v2 `exact`, `upto` and `batch-settlement` and for v1 `exact`, with a throw-away key.
 *
 * @see https://github.com/coinbase/x402/blob/main/specs/x402-specification-v2.md, "Facilitator Interface"
 */
export async function createFacilitator(options: FacilitatorOptions): Promise<DemoFacilitator> {
  const account = privateKeyToAccount(`0x${Buffer.from(randomBytesOf(32)).toString('hex')}`)
  await createRpc(options.rpcUrl)('anvil_setBalance', [account.address, GAS_MONEY])
  const signer = createSigner(account, options)
  const network = options.network as Network
  const facilitator = new x402Facilitator()
    .register(network, new ExactEvmScheme(signer))
    .register(network, new BatchSettlementEvmScheme(signer))
    .register(network, new UptoEvmScheme(signer))
  const v1Name = findNetwork(options.network)?.v1Name
  if (v1Name !== undefined) facilitator.registerV1(v1Name as Network, new ExactEvmSchemeV1(signer))
  return {
    address: account.address,
    client: {
      verify: (payload, requirements) => facilitator.verify(payload, requirements),
      settle: (payload, requirements) => facilitator.settle(payload, requirements),
      // The facilitator types its kinds more loosely than its own client does.
      getSupported: async () => facilitator.getSupported() as Awaited<ReturnType<FacilitatorClient['getSupported']>>,
    },
  }
}

/** Serves a facilitator over HTTP: `GET /supported`, `POST /verify`, `POST /settle`. */
export function createFacilitatorApp(client: FacilitatorClient): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.get('/supported', async (context) => context.json(await client.getSupported()))
  app.post('/verify', async (context) => {
    const { payload, requirements } = readBody(await context.req.text())
    return context.json(await client.verify(payload, requirements))
  })
  app.post('/settle', async (context) => {
    const { payload, requirements } = readBody(await context.req.text())
    return context.json(await client.settle(payload, requirements))
  })
  app.onError((error, context) => {
    const malformed = error instanceof RouteplaneError || error instanceof TypeError
    return context.json({ error: malformed ? 'the request is malformed' : 'the facilitator failed' }, malformed ? 400 : 500)
  })
  return app
}

type Account = ReturnType<typeof privateKeyToAccount>

/** One transaction is prepared and sent at a time: prepared together, several would take the same account nonce. */
function createSigner(account: Account, options: FacilitatorOptions): ReturnType<typeof toFacilitatorEvmSigner> {
  const chain = defineChain({
    id: chainIdOf(options.network),
    name: 'local',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [options.rpcUrl] } },
  })
  const wallet = createWalletClient({ account, chain, transport: http(), pollingInterval: POLL_MS, cacheTime: 0 }).extend(publicActions)
  const inTurn = createTurns()
  return toFacilitatorEvmSigner(
    {
      address: account.address,
      readContract: (call) => wallet.readContract(call),
      verifyTypedData: (call) => wallet.verifyTypedData(call as Parameters<typeof wallet.verifyTypedData>[0]),
      writeContract: (call) => inTurn(() => wallet.writeContract(call)),
      sendTransaction: (call) => inTurn(() => wallet.sendTransaction(call)),
      waitForTransactionReceipt: (call) => wallet.waitForTransactionReceipt(call),
      getCode: (call) => wallet.getCode(call),
    },
    { confirmationTimeoutMs: options.confirmationTimeoutMs ?? CONFIRMATION_TIMEOUT_MS },
  )
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

function readBody(text: string): { readonly payload: PaymentPayload; readonly requirements: PaymentRequirements } {
  const body = parseJson(text)
  if (!isRecord(body) || !isRecord(body['paymentPayload']) || !isRecord(body['paymentRequirements'])) {
    throw new RouteplaneError('invalid_request', 'paymentPayload and paymentRequirements must be objects')
  }
  return { payload: body['paymentPayload'] as PaymentPayload, requirements: body['paymentRequirements'] as PaymentRequirements }
}
