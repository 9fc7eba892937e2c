/** Callers who pay through Permit2: `upto` is charged for what was delivered, and a lost settlement is read off the chain. */
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from '@x402/core/http'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it } from 'vitest'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { closedBooks, expectBalanced } from '../support/engine.ts'
import {
  chatWire,
  createBuyer,
  order,
  payingFetch,
  salesOf,
  signFor,
  startFacilitator,
  type ShopOptions,
  startShop,
} from '../support/shop.ts'

const current = useDemoNetwork()
beforeAll(() => installPermitContracts(current().anvil.rpc))

const said = 'thrift heard: how are you?'
const balanceOf = (owner: `0x${string}`) => current().chain.balanceOf(current().asset.address, owner)

async function startPermitShop(options: Partial<ShopOptions> = {}) {
  const buyer = await createBuyer(current())
  await approvePermits(current().anvil.rpc, current().asset.address, buyer.address, 1_000_000n)
  return { ...(await startShop(current(), options)), buyer }
}

/** What the official client signs of an `exact` offer when it is asked for Permit2; the offer goes back as it came. */
async function permitFor(buyer: PrivateKeyAccount, url: string): Promise<Record<string, string>> {
  const { required } = await signFor(buyer, url, chatWire)
  const accepted = required.accepts.find(({ scheme }) => scheme === 'exact')
  if (accepted === undefined) throw new Error('exact is not offered')
  const asked = { ...accepted, extra: { ...accepted.extra, assetTransferMethod: 'permit2' } }
  const { payload } = await new ExactEvmScheme(buyer).createPaymentPayload(2, asked)
  return { 'payment-signature': encodePaymentSignatureHeader({ x402Version: 2, resource: required.resource, accepted, payload }) }
}

async function offersOf(url: string) {
  const { headers } = await order(fetch, url, chatWire)
  return decodePaymentRequiredHeader(headers.get('payment-required') ?? '').accepts.map(({ scheme }) => scheme)
}

describe('upto', () => {
  it.each([false, true])('is charged for what was delivered (stream: %s)', async (stream) => {
    const { url, world, buyer } = await startPermitShop()
    const before = await balanceOf(buyer.address)
    const answer = await order(payingFetch(buyer, ['upto']), url, chatWire, { stream })
    expect([answer.status, chatWire.textOf(answer.text)]).toEqual([200, said])
    const [sale, ...others] = await salesOf(world)
    expect(others).toEqual([])
    expect(sale).toMatchObject({ state: 'settled', scheme: 'upto', payer: buyer.address, transaction: answer.receipt?.transaction })
    const { amountSettled = 0n, amountOffered = 0n } = sale ?? {}
    expect(amountSettled > 0n && amountSettled < amountOffered).toBe(true)
    expect([await balanceOf(buyer.address), await balanceOf(world.payTo)]).toEqual([before - amountSettled, amountSettled])
    expectBalanced(await closedBooks(world))
  })

  it('is offered where the facilitator can settle it, and nowhere else', async () => {
    expect(await offersOf((await startPermitShop()).url)).toEqual(['batch-settlement', 'upto', 'exact'])
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      getSupported: async () => {
        const supported = await client.getSupported()
        return { ...supported, kinds: supported.kinds.filter(({ scheme }) => scheme === 'exact') }
      },
    }))
    expect(await offersOf((await startPermitShop({ facilitator })).url)).toEqual(['exact'])
  })

  it('whose settlement is lost is booked for what the chain shows', async () => {
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      settle: async (payload, requirements) => {
        const { transaction, network } = await client.settle(payload, requirements)
        return { success: false, errorReason: 'unexpected_settle_error', transaction, network }
      },
    }))
    const { url, world, buyer } = await startPermitShop({ facilitator })
    const answer = await order(payingFetch(buyer, ['upto']), url, chatWire)
    expect([answer.status, chatWire.textOf(answer.text), answer.receipt?.success]).toEqual([200, said, true])
    const [sale] = await salesOf(world)
    expect(sale).toMatchObject({ state: 'settled', amountSettled: await balanceOf(world.payTo) })
    expect(sale?.amountSettled).toBeGreaterThan(0n)
    expect(answer.receipt?.amount).toBe(sale?.amountSettled?.toString())
  })
})

describe('exact through Permit2', () => {
  it('is paid whole and once', async () => {
    const { url, world, buyer } = await startPermitShop()
    const headers = await permitFor(buyer, url)
    const answers = [await order(fetch, url, chatWire, { headers }), await order(fetch, url, chatWire, { headers })]
    expect(answers.map(({ status, text }) => [status, chatWire.textOf(text)])).toEqual([
      [200, said],
      [200, said],
    ])
    const [sale, ...others] = await salesOf(world)
    expect([others.length, sale?.state, sale?.amountSettled]).toEqual([0, 'settled', sale?.amountOffered])
    expect(await balanceOf(world.payTo)).toBe(sale?.amountSettled)
  })

  it('whose settlement is lost is believed on the word of the chain', async () => {
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      settle: async (payload, requirements) => {
        await client.settle(payload, requirements)
        throw new Error('lost')
      },
    }))
    const { url, world, buyer } = await startPermitShop({ facilitator })
    const answer = await order(fetch, url, chatWire, { headers: await permitFor(buyer, url) })
    expect([answer.status, answer.receipt?.success]).toEqual([200, true])
    expect((await salesOf(world))[0]).toMatchObject({ state: 'settled', amountSettled: await balanceOf(world.payTo) })
  })
})
