/** Every wire, whole and streamed, paid by every scheme of x402 with its official client. */
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/client'
import { UptoEvmScheme } from '@x402/evm/upto/client'
import { x402Client, x402HTTPClient } from '@x402/core/client'
import { wrapFetchWithPayment } from '@x402/fetch'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { channelClient, x402ClientBy } from '../support/payments.ts'
import { createBuyer, order, salesOf, wires, startShop } from '../support/shop.ts'

const current = useDemoNetwork()
beforeAll(async () => {
  await installChannelContracts(current().anvil.rpc)
  await installPermitContracts(current().anvil.rpc)
})

/** A client of the protocol's first version: it reads the body of the 402 and pays in X-PAYMENT. */
function firstVersion(account: PrivateKeyAccount): typeof fetch {
  const client = new x402HTTPClient(new x402Client().registerV1('base-sepolia', new ExactEvmSchemeV1(account)))
  return (async (url: string, init: RequestInit) => {
    const asked = await fetch(url, init)
    const required = client.getPaymentRequiredResponse(() => null, await asked.json())
    const headers = client.encodePaymentSignatureHeader(await client.createPaymentPayload(required))
    return fetch(url, { ...init, headers: { ...(init.headers as Record<string, string>), ...headers } })
  }) as typeof fetch
}

const paying = (client: x402Client) => wrapFetchWithPayment(fetch, client) as typeof fetch
const payers: readonly (readonly [scheme: string, protocol: string, open: (account: PrivateKeyAccount) => typeof fetch])[] = [
  ['exact', 'x402-1', firstVersion],
  ['upto', 'x402-2', (account) => paying(x402ClientBy('upto', new UptoEvmScheme(account)))],
  ['batch-settlement', 'x402-2', (account) => paying(channelClient(account, current().rpcUrl))],
]

describe.each(payers)('%s of %s', (scheme, protocol, open) => {
  it.each(wires)('pays for $name, whole and streamed', async (wire) => {
    const { url, engine, world } = await startShop(current())
    const buyer = await createBuyer(current())
    await approvePermits(current().anvil.rpc, current().asset.address, buyer.address, 1_000_000n)
    const pay = open(buyer)
    for (const stream of [false, true]) {
      const answer = await order(pay, url, wire, { stream })
      expect([answer.status, wire.textOf(answer.text), answer.receipt?.success]).toEqual([200, 'thrift heard: how are you?', true])
    }
    const sales = await salesOf(world)
    expect(sales.map((sale) => [sale.state, sale.scheme, sale.protocol])).toEqual(sales.map(() => ['settled', scheme, protocol]))
    expect(sales).toHaveLength(2)
    await engine.routeplane.cashier?.payOut()
    const earned = sales.reduce((sum, { amountSettled }) => sum + (amountSettled ?? 0n), 0n)
    expect(await current().chain.balanceOf(current().asset.address, world.payTo)).toBe(earned)
  })
})
