/** A wallet in this process: its policy judges, then its key signs typed data built from our own asset table. */
import { canonicalContracts } from '../../contracts-abi/assets.ts'
import { depositCollectorAddress } from '../../contracts-abi/batch-settlement.ts'
import { eip2612Types } from '../../contracts-abi/eip2612.ts'
import { eip3009Types } from '../../contracts-abi/eip3009.ts'
import { exactPermitTypes, permit2DomainName, uptoPermitTypes } from '../../contracts-abi/permit2.ts'
import { withdrawalCall } from '../chain/channel-id.ts'
import { chainIdOf } from '../chain/networks.ts'
import { allowanceCall } from '../chain/permit2.ts'
import { reserveCall } from '../chain/tempo-channel.ts'
import { serializeEvm } from './evm-transaction.ts'
import type { SigningKey } from './key.ts'
import type { SigningPolicy } from './policy.ts'
import { openingCall, serializeTempo, transferCall } from './tempo-transfer.ts'
import type { PermitTransfer, SigningGrant, TransferAuthorization, Wallet } from './wallet.ts'

export type LocalWalletOptions = { readonly key: SigningKey; readonly policy: SigningPolicy }

/**
 * Makes a wallet that signs payments and nothing else. The same authorization gives the same signature
 * (RFC 6979), so a lost one can be made again.
 *
 * @see https://eips.ethereum.org/EIPS/eip-3009
 */
export function createLocalWallet(options: LocalWalletOptions): Wallet {
  return {
    address: options.key.address,
    signTransfer: (authorization, grant) => sign('TransferWithAuthorization', { ...authorization }, grant, options),
    signDeposit(deposit, grant) {
      const to = depositCollectorAddress
      return sign('ReceiveWithAuthorization', { ...deposit, to, validAfterSeconds: 0n }, { ...grant, payee: to }, options)
    },
    async signTempoTransfer(asked, grant) {
      const transfer = { ...asked }
      const row = options.policy.approveTempo(transfer, grant, options.key.address)
      const judged = { ...transfer, asset: row.address }
      return serializeTempo(judged, await transferCall(judged), (hash) => options.key.signHash(hash))
    },
    async signTempoOpening(asked, grant) {
      const opening = { ...asked }
      const row = options.policy.approveOpening(opening, grant, options.key.address)
      const judged = { ...opening, asset: row.address }
      return serializeTempo(judged, await openingCall(judged), (hash) => options.key.signHash(hash))
    },
    async signAllowance(asked, grant) {
      const allowance = { ...asked }
      const row = options.policy.approveAllowance(allowance, grant)
      return serializeEvm(allowance, await allowanceCall(row.address, allowance.value), options.key)
    },
    async signWithdrawal(asked, grant) {
      const withdrawal = { ...asked, channel: { ...asked.channel } }
      options.policy.approveWithdrawal(withdrawal, grant, options.key.address)
      const { channel, step, amount } = withdrawal
      return serializeEvm(withdrawal, await withdrawalCall(channel, step, amount), options.key)
    },
    async signTempoReserve(asked, grant) {
      const call = { ...asked, channel: { ...asked.channel } }
      const row = options.policy.approveReserve(call, grant, options.key.address)
      const contractCall = await reserveCall(call.channel, call.step, call.value)
      return serializeTempo({ ...call, asset: row.address }, contractCall, (hash) => options.key.signHash(hash))
    },
    async signLeave(asked, grant) {
      const leave = { ...asked }
      const { key, policy } = options
      const row = policy.approveLeave(leave, grant)
      const { value, nonce, validBeforeSeconds: deadline } = leave
      return key.signTypedData({
        domain: { ...row.domain, chainId: chainIdOf(row.network), verifyingContract: row.address },
        types: eip2612Types,
        primaryType: 'Permit',
        message: { owner: key.address, spender: canonicalContracts.permit2, value, nonce, deadline },
      })
    },
    async signPermit(asked, grant) {
      const permit = { ...asked }
      const { key, policy } = options
      const row = policy.approvePermit(permit, grant, key.address)
      const proxy = proxies[permit.kind]
      const signature = await key.signTypedData({
        domain: { name: permit2DomainName, chainId: chainIdOf(row.network), verifyingContract: canonicalContracts.permit2 },
        primaryType: 'PermitWitnessTransferFrom',
        ...permitMessage(permit, row.address, proxy),
      })
      return { signature, proxy }
    },
  }
}

/** @param authorization - A copy: what is judged and what is signed must be the same values, even of an object whose fields change. */
async function sign(
  primaryType: 'TransferWithAuthorization' | 'ReceiveWithAuthorization',
  authorization: TransferAuthorization,
  grant: SigningGrant,
  { key, policy }: LocalWalletOptions,
): Promise<`0x${string}`> {
  const row = policy.approve(authorization, grant, key.address)
  return key.signTypedData({
    domain: { ...row.domain, chainId: chainIdOf(row.network), verifyingContract: row.address },
    types: eip3009Types,
    primaryType,
    message: {
      from: key.address,
      to: authorization.to.toLowerCase(),
      value: authorization.value,
      validAfter: authorization.validAfterSeconds,
      validBefore: authorization.validBeforeSeconds,
      nonce: authorization.nonce,
    },
  })
}

/** The only contracts a permit is ever made for. */
const proxies = {
  exact: canonicalContracts.x402ExactPermit2Proxy,
  upto: canonicalContracts.x402UptoPermit2Proxy,
} as const

function permitMessage(permit: PermitTransfer, token: `0x${string}`, spender: `0x${string}`) {
  const { value: amount, nonce, validBeforeSeconds: deadline, facilitator } = permit
  const witness = { to: permit.to.toLowerCase(), validAfter: permit.validAfterSeconds }
  const message = { permitted: { token, amount }, spender, nonce: BigInt(nonce), deadline }
  return permit.kind === 'exact'
    ? { types: exactPermitTypes, message: { ...message, witness } }
    : { types: uptoPermitTypes, message: { ...message, witness: { ...witness, facilitator: facilitator?.toLowerCase() } } }
}
