import { concat, decodeFunctionResult, encodeFunctionData, getContractAddress, hashTypedData, parseAbi, parseSignature } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { eip3009Abi, eip3009Types, eventTopics } from '../../contracts-abi/eip3009.ts'
import type { DemoNetwork } from '../../src/demo/network.ts'
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import type { Signed } from '../support/authorization.ts'
import { authorize, send, settle, transferCall } from '../support/authorization.ts'
import { openPayer, randomHex, useDemoNetwork } from '../support/chain.ts'
import { paymentBatchCode } from '../support/payment-batch-artifact.ts'

const current = useDemoNetwork()

function asX402(network: DemoNetwork, signed: Signed): [PaymentPayload, PaymentRequirements] {
  const requirements: PaymentRequirements = {
    scheme: 'exact',
    network: network.network as PaymentRequirements['network'],
    asset: network.asset.address,
    amount: signed.value.toString(),
    payTo: signed.to,
    maxTimeoutSeconds: 60,
    extra: { ...network.asset.domain },
  }
  const authorization = {
    from: signed.from,
    to: signed.to,
    value: signed.value.toString(),
    validAfter: signed.validAfterSeconds.toString(),
    validBefore: signed.validBeforeSeconds.toString(),
    nonce: signed.nonce,
  }
  return [{ x402Version: 2, accepted: requirements, payload: { authorization, signature: signed.signature } }, requirements]
}

describe('a payment by the wallet', () => {
  it('moves exactly what was signed, and its evidence says so', async () => {
    const network = current()
    const wallet = await openPayer(network)
    const to = randomHex(20)
    const before = await network.chain.balanceOf(network.asset.address, wallet.address)
    const signed = await authorize(network, wallet, { to, value: 1234n })
    const query = { asset: network.asset.address, payer: wallet.address, payee: to, nonce: signed.nonce }
    expect(await network.chain.authorizationState(network.asset.address, wallet.address, signed.nonce)).toBe('unused')
    expect(await network.chain.findTransfer(query)).toBeUndefined()

    const transaction = await settle(network, signed)
    expect(await network.chain.balanceOf(network.asset.address, to)).toBe(1234n)
    expect(await network.chain.balanceOf(network.asset.address, wallet.address)).toBe(before - 1234n)
    expect(await network.chain.authorizationState(network.asset.address, wallet.address, signed.nonce)).toBe('used')
    const evidence = await network.chain.findTransfer(query)
    expect(evidence).toMatchObject({ transaction, amount: 1234n, payer: wallet.address, payee: to, nonce: signed.nonce })
    expect(await network.chain.findTransfer({ ...query, transaction })).toEqual(evidence)
    expect(await network.chain.findTransfer({ ...query, amount: 1233n })).toBeUndefined()
    expect(await network.chain.findTransfer({ ...query, payee: wallet.address })).toBeUndefined()
    expect(await network.chain.findTransfer({ ...query, transaction: randomHex(32) })).toBeUndefined()
    expect(await network.chain.findTransfer({ ...query, transaction: randomHex(32), fromBlock: 0n })).toEqual(evidence)
  })

  it('signs the same bytes for the same authorization', async () => {
    const network = current()
    const wallet = await openPayer(network)
    const wanted = {
      to: randomHex(20),
      value: 7n,
      nonce: randomHex(32),
      validBeforeSeconds: (await network.chain.latestBlock()).timestampSeconds + 60n,
    }
    const [first, second] = [await authorize(network, wallet, wanted), await authorize(network, wallet, wanted)]
    expect(second).toEqual(first)
  })

  it('is refused by the chain the second time', async () => {
    const network = current()
    const wallet = await openPayer(network)
    const to = randomHex(20)
    const signed = await authorize(network, wallet, { to, value: 5n })
    await settle(network, signed)
    await expect(settle(network, signed)).rejects.toThrow('reverted')
    expect(await network.chain.balanceOf(network.asset.address, to)).toBe(5n)
    const again = await network.facilitator.client.settle(...asX402(network, signed))
    expect(again.success).toBe(false)
  })

  it('is worth nothing with any one field changed', async () => {
    const network = current()
    const wallet = await openPayer(network)
    const signed = await authorize(network, wallet, { to: randomHex(20), value: 5n })
    const forgeries: readonly Partial<Signed>[] = [
      { to: randomHex(20) },
      { value: 6n },
      { nonce: randomHex(32) },
      { validBeforeSeconds: signed.validBeforeSeconds + 1n },
      { validAfterSeconds: 1n },
      { from: randomHex(20) },
    ]
    for (const forgery of forgeries) {
      await expect(settle(network, { ...signed, ...forgery })).rejects.toThrow('reverted')
    }
    await expect(settle(network, signed)).resolves.toMatch(/^0x/)
  })

  it('is worth nothing when signed over another domain than the token has', async () => {
    const network = current()
    const account = privateKeyToAccount(network.payer.privateKey.reveal() as `0x${string}`)
    const wallet = await openPayer(network)
    const signed = await authorize(network, wallet, { to: randomHex(20), value: 5n })
    const right = { ...network.asset.domain, chainId: 84532, verifyingContract: network.asset.address }
    const message = {
      from: signed.from,
      to: signed.to,
      value: 5n,
      validAfter: 0n,
      validBefore: signed.validBeforeSeconds,
      nonce: signed.nonce,
    }
    const typed = (domain: object) => ({ domain, types: eip3009Types, primaryType: 'TransferWithAuthorization', message }) as const
    expect(signed.signature).toBe(await account.signTypedData(typed(right)))
    for (const change of [{ name: 'USD Coin' }, { version: '1' }, { chainId: 8453 }, { verifyingContract: randomHex(20) }]) {
      const signature = await account.signTypedData(typed({ ...right, ...change }))
      expect(hashTypedData(typed({ ...right, ...change }))).not.toBe(hashTypedData(typed(right)))
      await expect(settle(network, { ...signed, signature })).rejects.toThrow('reverted')
    }
  })

  it('cannot be cashed once it is cancelled, and the chain tells the two apart', async () => {
    const network = current()
    const { asset, chain } = network
    const account = privateKeyToAccount(network.payer.privateKey.reveal() as `0x${string}`)
    const wallet = await openPayer(network)
    const to = randomHex(20)
    const signed = await authorize(network, wallet, { to, value: 5n })
    const signature = await account.signTypedData({
      domain: { ...asset.domain, chainId: 84532, verifyingContract: asset.address },
      types: eip3009Types,
      primaryType: 'CancelAuthorization',
      message: { authorizer: signed.from, nonce: signed.nonce },
    })
    const { r, s, yParity } = parseSignature(signature)
    const args = [signed.from, signed.nonce, yParity + 27, r, s] as const
    const transaction = await send(
      network,
      asset.address,
      encodeFunctionData({ abi: eip3009Abi, functionName: 'cancelAuthorization', args }),
    )
    await expect(settle(network, signed)).rejects.toThrow('reverted')
    const query = { asset: asset.address, payer: wallet.address, nonce: signed.nonce }
    expect(await chain.authorizationState(asset.address, wallet.address, signed.nonce)).toBe('used')
    expect(await chain.findTransfer({ ...query, payee: to })).toBeUndefined()
    expect(await chain.findCancellation(query)).toMatchObject({ transaction, payer: wallet.address, nonce: signed.nonce })
  })
})

const batchAbi = parseAbi([
  'function settle(address token, (address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)[] payments)',
])

describe('payments that share a transaction', () => {
  it('are told apart by nonce, though the transaction goes to another contract and pays one payee twice', async () => {
    const network = current()
    const { asset, chain } = network
    const wallet = await openPayer(network)
    const payees = [randomHex(20), randomHex(20)] as const
    const payments = [
      await authorize(network, wallet, { to: payees[0], value: 10n }),
      await authorize(network, wallet, { to: payees[1], value: 20n }),
      await authorize(network, wallet, { to: payees[0], value: 30n }),
    ]
    const [deployer] = (await network.anvil.rpc('eth_accounts')) as [`0x${string}`]
    const nonce = BigInt((await network.anvil.rpc('eth_getTransactionCount', [deployer, 'latest'])) as string)
    await send(network, undefined, concat([paymentBatchCode]))
    const batch = getContractAddress({ from: deployer, nonce })
    const list = payments.map((payment) => ({ ...payment, validAfter: payment.validAfterSeconds, validBefore: payment.validBeforeSeconds }))
    const data = encodeFunctionData({ abi: batchAbi, args: [asset.address, list] })
    const transaction = await send(network, batch, data)

    const found = await Promise.all(
      payments.map(({ nonce: own, to }) =>
        chain.findTransfer({ asset: asset.address, payer: wallet.address, payee: to, nonce: own, transaction }),
      ),
    )
    expect(found.map((evidence) => [evidence?.amount, evidence?.nonce, evidence?.transaction])).toEqual(
      payments.map((payment) => [payment.value, payment.nonce, transaction]),
    )
    expect(new Set(found.map((evidence) => evidence?.logIndex)).size).toBe(3)
    const { number } = await chain.latestBlock()
    const listed = await chain.transfersFrom({ asset: asset.address, payer: wallet.address, fromBlock: 0n, toBlock: number })
    expect(listed.filter((transfer) => transfer.transaction === transaction)).toEqual(found)
  })

  it('settle all when twenty are sent at once', async () => {
    const network = current()
    const { asset, chain } = network
    const wallet = await openPayer(network)
    const to = randomHex(20)
    const payments = await Promise.all(Array.from({ length: 20 }, (_, at) => authorize(network, wallet, { to, value: BigInt(at + 1) })))
    const { number: fromBlock } = await chain.latestBlock()
    const answers = await Promise.all(payments.map((payment) => network.facilitator.client.settle(...asX402(network, payment))))
    expect(answers.map((answer) => answer.errorReason ?? 'ok')).toEqual(payments.map(() => 'ok'))
    expect(await chain.balanceOf(asset.address, to)).toBe(210n)
    const { number: toBlock } = await chain.latestBlock()
    const listed = await chain.transfersFrom({ asset: asset.address, payer: wallet.address, fromBlock, toBlock })
    expect(new Map(listed.map((transfer) => [transfer.nonce, transfer.amount]))).toEqual(
      new Map(payments.map((payment) => [payment.nonce, payment.value])),
    )
  })
})

describe('the test dollar', () => {
  it('answers as the token it stands in for', async () => {
    const { anvil, asset } = current()
    const abi = parseAbi([
      'function name() view returns (string)',
      'function version() view returns (string)',
      'function decimals() view returns (uint8)',
      'function DOMAIN_SEPARATOR() view returns (bytes32)',
    ])
    const ask = async (functionName: 'name' | 'version' | 'decimals' | 'DOMAIN_SEPARATOR') => {
      const data = (await anvil.rpc('eth_call', [
        { to: asset.address, data: encodeFunctionData({ abi, functionName }) },
        'latest',
      ])) as `0x${string}`
      return decodeFunctionResult({ abi, functionName, data })
    }
    expect([await ask('name'), await ask('version'), await ask('decimals')]).toEqual(['USDC', '2', 6])
    expect(await ask('DOMAIN_SEPARATOR')).toBe('0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818')
  })

  it('writes the logs that the topics in the table stand for', async () => {
    const network = current()
    const signed = await authorize(network, await openPayer(network), { to: randomHex(20), value: 1n })
    const receipt = (await network.anvil.rpc('eth_getTransactionReceipt', [await settle(network, signed)])) as {
      logs: { topics: string[] }[]
    }
    expect(receipt.logs.map((log) => log.topics[0])).toEqual([eventTopics.AuthorizationUsed, eventTopics.Transfer])
    expect(transferCall(signed)).toMatch(/^0x/)
  })
})
