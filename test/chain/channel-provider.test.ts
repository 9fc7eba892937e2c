/** The channel seller and our stand-in contracts, bought from with the official client: what our own payer is tested against works without it. */
import { decodePaymentResponseHeader } from '@x402/core/http'
import { x402Client, x402HTTPClient } from '@x402/core/client'
import type { Network } from '@x402/core/types'
import { toClientEvmSigner } from '@x402/evm'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { createPublicClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, it } from 'vitest'
import { batchSettlementAddress } from '../../contracts-abi/batch-settlement.ts'
import { randomHex } from '../support/chain.ts'
import { useChannelMarket } from '../support/channel-market.ts'

const market = useChannelMarket()

it('takes one deposit for many calls, charges what it delivered, claims it, and gives the rest back', async () => {
  const { network, startSeller } = market()
  const seller = await startSeller()
  const payer = privateKeyToAccount(network.payer.privateKey.reveal() as `0x${string}`)
  const voucherKey = privateKeyToAccount(randomHex(32))
  const signer = toClientEvmSigner(payer, createPublicClient({ transport: http(network.rpcUrl), cacheTime: 0 }))
  const scheme = new BatchSettlementEvmScheme(signer, { voucherSigner: voucherKey, payerAuthorizer: voucherKey.address })
  const client = new x402HTTPClient(new x402Client().register(network.network as Network, scheme))
  const before = await network.chain.balanceOf(network.asset.address, payer.address)

  const receipts = []
  for (let call = 0; call < 4; call++) receipts.push(await buy(client, `${seller.baseUrl}/chat/completions`))
  expect(receipts.filter(({ transaction }) => transaction !== '')).toHaveLength(1)
  const charged = receipts.reduce((sum, { extra }) => sum + BigInt(String(extra?.['chargedAmount'])), 0n)
  const deposited = before - (await network.chain.balanceOf(network.asset.address, payer.address))
  expect(charged).toBeGreaterThan(0n)
  expect(deposited).toBeGreaterThan(charged)

  await seller.claims.claimAndSettle()
  expect(await network.chain.balanceOf(network.asset.address, seller.payTo)).toBe(charged)
  await seller.claims.refund()
  expect(before - (await network.chain.balanceOf(network.asset.address, payer.address))).toBe(charged)
  expect(await network.chain.balanceOf(network.asset.address, batchSettlementAddress)).toBe(0n)
})

async function buy(client: x402HTTPClient, url: string) {
  const body = JSON.stringify({ model: 'demo/echo', messages: [{ role: 'user', content: 'hello there' }], max_tokens: 20 })
  const send = (headers: Record<string, string>) =>
    fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
  const asked = await send({})
  const required = client.getPaymentRequiredResponse((name) => asked.headers.get(name), await asked.json())
  const payload = await client.createPaymentPayload(required)
  const answer = await send(client.encodePaymentSignatureHeader(payload))
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('hello there')])
  await client.processPaymentResult(payload, (name) => answer.headers.get(name), answer.status)
  return decodePaymentResponseHeader(answer.headers.get('payment-response') ?? '')
}
