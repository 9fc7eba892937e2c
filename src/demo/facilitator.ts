/** A facilitator for a local chain: the product's own, with a throw-away key that has gas, in this process or over HTTP. */
import type { HttpBindings } from '@hono/node-server'
import type { FacilitatorClient } from '@x402/core/server'
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { Hono } from 'hono'
import { RouteplaneError } from '../errors.ts'
import { randomBytesOf } from '../lib/id.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import { Secret } from '../lib/log.ts'
import { createLocalFacilitator, type LocalFacilitator } from '../selling/facilitator/local.ts'
import { createRpc } from './rpc.ts'

export type FacilitatorOptions = {
  readonly network: string
  /** Of an anvil: the gas is minted, not bought. */
  readonly rpcUrl: string
  /** How long a settlement waits for its receipt before it is called pending, in milliseconds. */
  readonly confirmationTimeoutMs?: number
}

const POLL_MS = 25
const GAS_MONEY = '0x3635c9adc5dea00000'

/** Makes one that settles what the product's does. */
export async function createFacilitator({ network, rpcUrl, ...options }: FacilitatorOptions): Promise<LocalFacilitator> {
  const key = new Secret(`0x${Buffer.from(randomBytesOf(32)).toString('hex')}`)
  const facilitator = await createLocalFacilitator({ nodes: new Map([[network, new Secret(rpcUrl)]]), key, pollMs: POLL_MS, ...options })
  await createRpc(rpcUrl)('anvil_setBalance', [facilitator.address, GAS_MONEY])
  return facilitator
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

function readBody(text: string): { readonly payload: PaymentPayload; readonly requirements: PaymentRequirements } {
  const body = parseJson(text)
  if (!isRecord(body) || !isRecord(body['paymentPayload']) || !isRecord(body['paymentRequirements'])) {
    throw new RouteplaneError('invalid_request', 'paymentPayload and paymentRequirements must be objects')
  }
  return { payload: body['paymentPayload'] as PaymentPayload, requirements: body['paymentRequirements'] as PaymentRequirements }
}
