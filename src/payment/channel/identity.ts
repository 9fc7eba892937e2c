/** Derives all that a channel of ours is made of from the ledger's secret: its salt, its voucher key, its id, its deposits. */
import { createHmac } from 'node:crypto'
import { channelIdOf, type ChannelConfig } from '../../chain/channel-id.ts'
import type { ChannelTerms } from '../../ledger/channel.ts'
import { deriveVoucherKey, type VoucherKey } from '../../wallet/voucher-key.ts'

export type ChannelParties = Omit<ChannelTerms, 'id' | 'salt' | 'payerAuthorizer'>

/**
 * Gives the terms of our `index`-th channel with a seller. Two processes that ask for the same one get the same, so that they
 * cannot both fill one for themselves.
 */
export async function deriveChannel(secret: Uint8Array, parties: ChannelParties, index: number): Promise<ChannelTerms> {
  const { network, asset, payer, receiver, receiverAuthorizer, withdrawDelay } = parties
  const name = ['channel', network, asset, payer, receiver, receiverAuthorizer, withdrawDelay, index].join('\n').toLowerCase()
  const salt = `0x${createHmac('sha256', secret).update(name).digest('hex')}` as const
  const { address: payerAuthorizer } = await deriveVoucherKey(secret, salt)
  const terms = { ...parties, salt, payerAuthorizer }
  return { ...terms, id: await channelIdOf(configOf(terms), network) }
}

/** The channel as its contract and its seller write it. */
export function configOf(terms: Omit<ChannelTerms, 'id'>): ChannelConfig {
  const { payer, payerAuthorizer, receiver, receiverAuthorizer, asset, withdrawDelay, salt } = terms
  return { payer, payerAuthorizer, receiver, receiverAuthorizer, token: asset, withdrawDelay, salt }
}

export function voucherKeyOf(secret: Uint8Array, { salt }: Pick<ChannelTerms, 'salt'>): Promise<VoucherKey> {
  return deriveVoucherKey(secret, salt)
}

/** The number that makes a deposit's nonce its own; the same for the same attempt. */
export function depositSaltOf(secret: Uint8Array, attempt: string): `0x${string}` {
  return `0x${createHmac('sha256', secret).update(`deposit\n${attempt}`).digest('hex')}`
}
