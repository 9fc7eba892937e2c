import { privateKeyToAccount } from 'viem/accounts'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { eip3009Types } from '../../contracts-abi/eip3009.ts'
import { awaitFate, fateOf } from '../../src/chain/confirm.ts'
import { createChain } from '../../src/chain/chain.ts'
import type { DemoNetwork } from '../../src/demo/network.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Signed } from '../support/authorization.ts'
import { authorize, settle } from '../support/authorization.ts'
import { openPayer, randomHex, useDemoNetwork } from '../support/chain.ts'
import { startNodeProxy, type NodeAnswer } from '../support/node-proxy.ts'

const current = useDemoNetwork()

const queryOf = (signed: Signed) => ({
  asset: signed.asset,
  payer: signed.from,
  payee: signed.to,
  nonce: signed.nonce,
  amount: signed.value,
  validBeforeSeconds: signed.validBeforeSeconds,
})

/** Signs what our own wallet never would: five hundred blocks are longer than it lets a signature live. */
async function authorizeForever({ payer, asset, network }: DemoNetwork, to: `0x${string}`): Promise<Signed> {
  const account = privateKeyToAccount(payer.privateKey.reveal() as `0x${string}`)
  const nonce = randomHex(32)
  const validBeforeSeconds = 2n ** 40n
  const signature = await account.signTypedData({
    domain: { ...asset.domain, chainId: 84532, verifyingContract: asset.address },
    types: eip3009Types,
    primaryType: 'TransferWithAuthorization',
    message: { from: account.address, to, value: 1n, validAfter: 0n, validBefore: validBeforeSeconds, nonce },
  })
  return {
    network,
    asset: asset.address,
    from: account.address,
    to,
    value: 1n,
    validAfterSeconds: 0n,
    validBeforeSeconds,
    nonce,
    signature,
  }
}

async function passTime(network: DemoNetwork, seconds: number): Promise<void> {
  await network.anvil.rpc('evm_increaseTime', [seconds])
  await network.anvil.rpc('evm_mine')
}

describe('the fate of an authorization', () => {
  it('is open while it can be cashed, and transferred once it was', async () => {
    const network = current()
    const signed = await authorize(network, await openPayer(network), { to: randomHex(20), value: 9n })
    expect(await fateOf(network.chain, queryOf(signed))).toEqual({ fate: 'open' })
    const transaction = await settle(network, signed)
    const fate = await fateOf(network.chain, queryOf(signed))
    expect(fate).toMatchObject({ fate: 'transferred', transfer: { transaction, amount: 9n } })
  })

  it('is diverted when the nonce went somewhere else than agreed', async () => {
    const network = current()
    const signed = await authorize(network, await openPayer(network), { to: randomHex(20), value: 9n })
    await settle(network, signed)
    expect(await fateOf(network.chain, { ...queryOf(signed), payee: randomHex(20) })).toEqual({ fate: 'diverted' })
    expect(await fateOf(network.chain, { ...queryOf(signed), amount: 10n })).toEqual({ fate: 'diverted' })
  })

  it('ends a wait as soon as the transfer is there', async () => {
    const network = current()
    const signed = await authorize(network, await openPayer(network), { to: randomHex(20), value: 9n })
    const waiting = awaitFate(network.chain, queryOf(signed), { clock: systemClock, pollMs: 5 })
    await settle(network, signed)
    expect(await waiting).toMatchObject({ fate: 'transferred' })
  })

  it('leaves a wait with the reason of the abort', async () => {
    const network = current()
    const signed = await authorize(network, await openPayer(network), { to: randomHex(20), value: 9n })
    const abort = new AbortController()
    const waiting = awaitFate(network.chain, queryOf(signed), { clock: systemClock, pollMs: 60_000, signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  it('is expired by the time of the chain, to the second, and the token agrees', async () => {
    const network = current()
    const wallet = await openPayer(network)
    const signed = await authorize(network, wallet, { to: randomHex(20), value: 9n })
    const { timestampSeconds } = await network.chain.latestBlock()
    expect(await fateOf(network.chain, { ...queryOf(signed), validBeforeSeconds: timestampSeconds + 1n })).toEqual({ fate: 'open' })
    expect(await fateOf(network.chain, { ...queryOf(signed), validBeforeSeconds: timestampSeconds })).toMatchObject({ fate: 'expired' })
    await passTime(network, 200)
    expect(await fateOf(network.chain, queryOf(signed))).toMatchObject({ fate: 'expired' })
    await expect(settle(network, signed)).rejects.toThrow('reverted')
  })
})

describe('a node that fails', () => {
  /** Passes calls on to the real node, with some answers replaced. */
  const proxy = async (answer: NodeAnswer) => `${await startNodeProxy(current().anvil.rpc, answer)}/v2/sk-canary-api-key-in-the-path`

  it('is an error and never an empty balance, and its URL stays ours', async () => {
    const { asset, payer, network } = current()
    const rpcUrl = await proxy((method) => (method === 'eth_chainId' ? undefined : 'hang-up'))
    const chain = createChain({ network, rpcUrl })
    const reads = [
      chain.balanceOf(asset.address, payer.address),
      chain.authorizationState(asset.address, payer.address, randomHex(32)),
      chain.findTransfer({ asset: asset.address, payer: payer.address, payee: payer.address, nonce: randomHex(32) }),
      chain.transfersFrom({ asset: asset.address, payer: payer.address, fromBlock: 0n, toBlock: 10n }),
      chain.latestBlock(),
      chain.safeBlock(),
      chain.quoteTransaction(payer.address, { to: asset.address, data: '0x18160ddd' }),
      chain.transfersIn({ asset: asset.address, payer: payer.address, transaction: randomHex(32) }),
      chain.leaveNonce(asset, payer.address),
    ]
    for (const outcome of await Promise.allSettled(reads)) {
      expect(outcome.status).toBe('rejected')
      const reason: unknown = 'reason' in outcome ? outcome.reason : undefined
      expect(reason).toMatchObject({ code: 'upstream_unreachable', details: { network } })
      expect(inspect(reason, { depth: 20 })).not.toContain('canary')
    }
  })

  it('recovers when the node does', async () => {
    const { asset, payer, network } = current()
    let down = true
    const chain = createChain({ network, rpcUrl: await proxy(() => (down ? 'hang-up' : undefined)) })
    await expect(chain.balanceOf(asset.address, payer.address)).rejects.toMatchObject({ code: 'upstream_unreachable' })
    down = false
    expect(await chain.balanceOf(asset.address, payer.address)).toBeGreaterThan(0n)
  })

  it('is refused when it serves another chain', async () => {
    const { asset, payer, network } = current()
    const chain = createChain({ network, rpcUrl: await proxy((method) => (method === 'eth_chainId' ? { result: '0x1' } : undefined)) })
    await expect(chain.balanceOf(asset.address, payer.address)).rejects.toMatchObject({ code: 'config_invalid' })
  })

  it('is told apart from a contract that says no', async () => {
    const { asset, payer, chain } = current()
    const allFromNobody = `0x23b872dd${'0'.repeat(63)}1${'0'.repeat(63)}2${'f'.repeat(64)}` as const
    const refused = chain.quoteTransaction(payer.address, { to: asset.address, data: allFromNobody })
    await expect(refused).rejects.toMatchObject({ code: 'upstream_error', message: expect.stringContaining('would refuse') as string })
    expect(await chain.leaveNonce({ ...asset, address: randomHex(20) }, payer.address)).toBeUndefined()
    expect(await chain.leaveNonce({ ...asset, domain: { ...asset.domain, version: '9' } }, payer.address)).toBeUndefined()
  })

  it('is told apart from a token that is not there', async () => {
    const { payer, chain } = current()
    await expect(chain.balanceOf(randomHex(20), payer.address)).rejects.toMatchObject({ code: 'unknown_asset' })
    await expect(chain.authorizationState(randomHex(20), payer.address, randomHex(32))).rejects.toMatchObject({ code: 'unknown_asset' })
  })

  it('may refuse wide ranges: they are asked for in smaller pieces, and none is left out', async () => {
    const demo = current()
    const { asset, network } = demo
    const { number: fromBlock } = await demo.chain.latestBlock()
    const nonces: string[] = []
    for (let at = 0; at < 3; at++) {
      const signed = await authorizeForever(demo, randomHex(20))
      await settle(demo, signed)
      nonces.push(signed.nonce)
      await demo.anvil.rpc('anvil_mine', ['0x1f4'])
    }
    const { number: toBlock } = await demo.chain.latestBlock()
    const asked: number[] = []
    const rpcUrl = await proxy((method, params) => {
      if (method !== 'eth_getLogs') return undefined
      const [range] = params as [{ fromBlock: string; toBlock: string }]
      const width = Number(range.toBlock) - Number(range.fromBlock) + 1
      asked.push(width)
      return width > 300 ? { error: { code: -32005, message: 'query exceeds max block range 300' } } : undefined
    })
    const query = { asset: asset.address, payer: demo.payer.address, fromBlock, toBlock }
    const whole = await demo.chain.transfersFrom(query)
    expect(whole.map((transfer) => transfer.nonce)).toEqual(nonces)
    expect(await createChain({ network, rpcUrl }).transfersFrom(query)).toEqual(whole)
    expect(Math.max(...asked)).toBeGreaterThan(300)
    expect(asked.filter((width) => width <= 300).reduce((sum, width) => sum + width, 0)).toBe(Number(toBlock - fromBlock) + 1)
  })

  it('is asked for what must have been long ago where it must have been, and nowhere else', async () => {
    const demo = current()
    const { anvil, network, rpcUrl } = demo
    const signed = await authorizeForever(demo, randomHex(20))
    const transaction = await settle(demo, signed)
    const { timestampSeconds } = await demo.chain.latestBlock()
    await anvil.rpc('anvil_mine', ['0xc8', '0xc'])
    const latest = await demo.chain.latestBlock()
    expect(await fateOf(createChain({ network, rpcUrl, lookbackBlocks: 50n }), queryOf(signed))).toEqual({ fate: 'diverted' })
    const asked: bigint[] = []
    const watched = await proxy((method, params) => {
      if (method === 'eth_getLogs') asked.push(BigInt((params as [{ toBlock: string }])[0].toBlock))
      return undefined
    })
    const chain = createChain({ network, rpcUrl: watched, lookbackBlocks: 50n })
    const within = { sinceSeconds: timestampSeconds - 600n, untilSeconds: timestampSeconds + 600n }
    const fate = await fateOf(chain, { ...queryOf(signed), within })
    expect(fate).toMatchObject({ fate: 'transferred', transfer: { transaction, amount: 1n } })
    expect([asked.length > 0, asked.every((block) => block < latest.number - 100n)]).toEqual([true, true])
  })
})
