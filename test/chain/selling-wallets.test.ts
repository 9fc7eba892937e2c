/** Payers whose signature is code's to judge: smart wallets and delegated accounts that change their mind, and wallets that are not there. */
import { encodePaymentSignatureHeader } from '@x402/core/http'
import type { PaymentPayload, PaymentRequired } from '@x402/core/types'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { UptoEvmScheme } from '@x402/evm/upto/client'
import { concat, encodeFunctionData, erc20Abi, getCreate2Address, parseAbi, serializeErc6492Signature } from 'viem'
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it } from 'vitest'
import { canonicalContracts } from '../../contracts-abi/assets.ts'
import { chainIdOf } from '../../src/chain/networks.ts'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { firstAccount, installContract, transact } from '../../src/demo/install-contract.ts'
import { installPermitContracts } from '../../src/demo/permit-contracts.ts'
import type { Atomic } from '../../src/money.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { fickleWalletCode } from '../support/fickle-wallet-artifact.ts'
import { carried, carriages, credentialBy, evmClient, ON_BASE, requiredOf, x402ClientBy } from '../support/payments.ts'
import { chatWire, openShop, order, salesOf, startFacilitator, writeKeyedShop } from '../support/shop.ts'
import { spoken, words } from '../support/tempo-shop.ts'

const current = useDemoNetwork()
beforeAll(async () => {
  await installPermitContracts(current().anvil.rpc)
  await installChannelContracts(current().anvil.rpc)
})

const wallet = parseAbi(['function change(bool mind)', 'function perform(address to, bytes data)'])
type Hex = `0x${string}`

/** Anybody may tell such a wallet what to do. */
async function tell(to: Hex, data: Hex): Promise<void> {
  const { rpc } = current().anvil
  await transact(rpc, { from: await firstAccount(rpc), to, data, gas: '0x100000' })
}
const change = (address: Hex, mind: boolean) => tell(address, encodeFunctionData({ abi: wallet, functionName: 'change', args: [mind] }))

/** Money, and leave for Permit2 to take it. */
async function furnish(address: Hex): Promise<void> {
  const { asset, mint } = current()
  await mint(address, 5_000_000n as Atomic)
  const data = encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [canonicalContracts.permit2, 5_000_000n] })
  await tell(address, encodeFunctionData({ abi: wallet, functionName: 'perform', args: [asset.address, data] }))
}

/** As the official clients see it: an address, and somebody who signs for it. */
type Signer = Pick<PrivateKeyAccount, 'address' | 'signTypedData'>

/** A contract that any signature will do for; each has a signature of its own for each payment. */
async function createContract(): Promise<Signer> {
  const address = randomHex(20)
  await installContract(current().anvil.rpc, address, fickleWalletCode)
  await furnish(address)
  const { signTypedData } = privateKeyToAccount(randomHex(32))
  // Longer than a key's own, as the signatures of smart wallets are.
  return { address, signTypedData: async (data) => concat([await signTypedData(data as never), '0x01']) }
}

/** An account with a key whose transactions have given it the code of such a wallet. */
async function createDelegated(): Promise<Signer> {
  const { anvil, network } = current()
  const account = privateKeyToAccount(randomHex(32))
  const code = randomHex(20)
  await installContract(anvil.rpc, code, fickleWalletCode)
  const authorization = await account.signAuthorization({ chainId: chainIdOf(network), contractAddress: code, nonce: 0 })
  const { r, s, yParity = 0, chainId, nonce } = authorization
  const listed = { chainId: `0x${chainId.toString(16)}`, address: code, nonce: `0x${nonce.toString(16)}`, r, s, yParity: `0x${yParity}` }
  await transact(anvil.rpc, {
    ...{ from: await firstAccount(anvil.rpc), to: randomHex(20), data: '0x', gas: '0x100000' },
    authorizationList: [listed] as never,
  })
  expect(await anvil.rpc('eth_getCode', [account.address, 'latest'])).toBe(`0xef0100${code.slice(2)}`.toLowerCase())
  await furnish(account.address)
  return account
}

/** What pays for a stream of the wire, as headers. */
type Pay = (signer: Signer, url: string) => Promise<Record<string, string>>
const question = { stream: true } as const

const paidBy =
  (pay: (signer: Signer, required: PaymentRequired) => Promise<PaymentPayload>): Pay =>
  async (signer, url) => ({
    'payment-signature': encodePaymentSignatureHeader(await pay(signer, await requiredOf(url, chatWire, question))),
  })
const exactBy = (method: 'eip3009' | 'permit2') =>
  paidBy(async (signer, { accepts, resource }) => {
    const [accepted] = accepts.filter(({ scheme }) => scheme === 'exact') as [PaymentPayload['accepted']]
    const asked = { ...accepted, extra: { ...accepted.extra, assetTransferMethod: method } }
    const { payload } = await new ExactEvmScheme(signer as never).createPaymentPayload(2, asked)
    return { x402Version: 2, resource: resource as never, accepted, payload }
  })
const exact = exactBy('eip3009')
const upto = paidBy((signer, required) => x402ClientBy('upto', new UptoEvmScheme(signer as never)).createPaymentPayload(required))
const batch = paidBy((signer, required) => {
  const options = { voucherSigner: privateKeyToAccount(randomHex(32)) as never, salt: randomHex(32) }
  return x402ClientBy('batch-settlement', new BatchSettlementEvmScheme(signer as never, options)).createPaymentPayload(required)
})
const evmCharge: Pay = async (signer, url) =>
  carried(carriages.mpp, JSON.stringify(await credentialBy(evmClient(signer as never), url, chatWire, question)))
const schemes: readonly (readonly [name: string, charging: 'quote' | 'usage', pay: Pay])[] = [
  ['exact', 'quote', exact],
  ['exact through Permit2', 'quote', exactBy('permit2')],
  ['upto', 'usage', upto],
  ['batch-settlement', 'usage', batch],
  ['evm/charge', 'quote', evmCharge],
]
const payers = [
  ['a smart wallet', createContract],
  ['a delegated account', createDelegated],
] as const
const cases = payers.flatMap(([who, create]) =>
  schemes.map(([name, ...scheme]) => [`${who} that pays by ${name}`, create, ...scheme] as const),
)

async function openStall() {
  let onSettle = async (): Promise<void> => {}
  const facilitator = await startFacilitator(current(), (client) => ({
    ...client,
    async settle(payload, requirements) {
      await onSettle()
      return client.settle(payload, requirements)
    },
  }))
  const { world, upstream } = await writeKeyedShop(current(), spoken(words), { facilitator, charge: ON_BASE })
  const { url, engine } = await openShop(world)
  const buy = async (signer: Signer, pay: Pay) => order(fetch, url, chatWire, { ...question, headers: await pay(signer, url) })
  const before = (work: () => Promise<void>) => {
    onSettle = work
  }
  return { url, engine, world, upstream, buy, before }
}

describe.each(cases)('%s', (_who, create, charging, pay) => {
  it('is sold to, and has one answer without its end when what it signed is no longer good', async () => {
    const { world, upstream, buy, before, engine } = await openStall()
    const signer = await create()
    const bought = await buy(signer, pay)
    const [sale] = await salesOf(world)
    expect([bought.text.includes('[DONE]'), sale?.state]).toEqual([true, 'settled'])
    before(() => change(signer.address, true))
    const cheated = await buy(signer, pay)
    expect([cheated.status, cheated.text.includes('[DONE]')]).toEqual([200, false])
    await change(signer.address, false)
    for (const _again of [1, 2]) {
      const again = await buy(signer, pay)
      expect([again.status, again.text.includes('how'), again.headers.has('payment-required')]).toEqual([402, false, true])
      await change(signer.address, false)
    }
    expect(upstream.requests).toHaveLength(2)
    before(async () => {})
    const paid = await buy(signer, charging === 'quote' ? pay : exact)
    expect([paid.status, paid.text.includes('[DONE]'), upstream.requests.length]).toEqual([200, true, 3])
    await engine.routeplane.cashier?.payOut()
    const settled = (await salesOf(world)).reduce((sum, { amountSettled }) => sum + (amountSettled ?? 0n), 0n)
    expect(await current().chain.balanceOf(current().asset.address, world.payTo)).toBe(settled)
  })
})

/** Where everybody may deploy, at an address that code and salt decide. */
const DEPLOYER = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

/** A wallet that is not deployed, whose signatures bring along how it can be. @see https://eips.ethereum.org/EIPS/eip-6492 */
async function createUndeployed(): Promise<Signer> {
  const salt = randomHex(32)
  const address = getCreate2Address({ from: DEPLOYER, salt, bytecode: fickleWalletCode })
  await current().mint(address, 5_000_000n as Atomic)
  const { signTypedData } = privateKeyToAccount(randomHex(32))
  const data = concat([salt, fickleWalletCode])
  return {
    address,
    signTypedData: async (typed) =>
      serializeErc6492Signature({ address: DEPLOYER, data, signature: concat([await signTypedData(typed as never), '0x01']) }),
  }
}

it.each([
  ['exact', exact],
  ['batch-settlement', batch],
  ['evm/charge', evmCharge],
] as const)('a wallet that is not deployed yet is refused, and asks nobody, when it pays by %s', async (_name, pay) => {
  const { world, upstream, buy } = await openStall()
  const { status, headers, text } = await buy(await createUndeployed(), pay)
  const isAsked = headers.has('payment-required') && headers.has('www-authenticate')
  expect([status, text.includes('eip6492'), isAsked, upstream.requests.length, await salesOf(world)]).toEqual([402, true, true, 0, []])
})
