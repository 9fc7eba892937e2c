/** Transactions of the wallet on a channel of Tempo's reserve: each is an attempt of its own, whose fee is in the books whatever becomes of it. */
import { createHash } from 'node:crypto'
import { transactionHash } from '../../chain/keccak.ts'
import { requireAsset } from '../../chain/networks.ts'
import { reserveCall, tempoReserveAddress, type ReserveStep } from '../../chain/tempo-channel.ts'
import { tempoFeeManager } from '../../chain/tempo-quote.ts'
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import type { Intent } from '../../ledger/ledger.ts'
import { createId } from '../../lib/id.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import { feeUnits } from '../../wallet/tempo-transfer.ts'
import type { Wallet } from '../../wallet/wallet.ts'
import { orGiveBack } from '../channel/deposit.ts'
import type { ChannelWorld } from '../channel/sync.ts'
import { assertFunds } from '../funds.ts'
import { deriveNonce } from '../nonce.ts'
import { tempoCall } from '../proof/tempo.ts'
import { lastSecondAfter } from '../scheme/tempo-validity.ts'
import { descriptorOf } from './credential.ts'

/** A call on a channel; `value` is what a top-up adds, zero else. */
export type OwnCall = { readonly channel: ChannelRow; readonly step: ReserveStep; readonly value: bigint }

type OwnWorld = ChannelWorld & { readonly wallet: Wallet }

/** What its work costs at most: base units of the channel's token. */
export async function quoteReserve(
  { channel, step, value }: OwnCall,
  { chainOf }: Pick<ChannelWorld, 'chainOf'>,
): Promise<{ readonly gas: bigint; readonly maxFeePerGas: bigint; readonly fee: Atomic }> {
  const { to, data: input } = await reserveCall(descriptorOf(channel), step, value)
  const quote = await chainOf(channel.network).quoteTempo({ from: channel.payer, to, input, feeToken: channel.asset })
  return { ...quote, fee: feeUnits(quote, channel.decimals) as Atomic }
}

/**
 * Sends a step that moves nothing out of the wallet but its fee, and waits for its block. Its owner has agreed to the fee, so no cap
 * stands in the way of his own money; it counts in the books like every other payment.
 *
 * @param how - `most`: what was agreed for the fee; `before`: what must be written down before anything is signed.
 * @returns the transaction's hash.
 */
export async function sendReserve(
  call: OwnCall,
  { most, before }: { readonly most: Atomic; before(): Promise<void> | undefined },
  world: OwnWorld,
): Promise<`0x${string}`> {
  const { channel, step, value } = call
  const { ledger, resolver, clock, wallet } = world
  const chain = world.chainOf(channel.network)
  const [{ gas, maxFeePerGas, fee }, block] = await Promise.all([quoteReserve(call, world), chain.latestBlock()])
  const asset = requireAsset(channel.network, channel.asset)
  const id = createId('att', clock.now())
  await assertFunds({ agreed: { asset, amount: fee }, payer: wallet.address, attemptId: id }, world)
  const nonce = deriveNonce(await ledger.nonceSalt(), id, channel.receiver, fee)
  const validBeforeSeconds = lastSecondAfter(block, clock.now())
  await writeDown({ id, call, fee, nonce, validBeforeSeconds }, world)
  const { network, asset: token } = channel
  const transaction = { network, asset: token, gas, maxFeePerGas, validBeforeSeconds, sponsored: false, nonce }
  const signed = await Promise.resolve(before())
    .then(() =>
      wallet.signTempoReserve(
        { ...transaction, step, value, channel: descriptorOf(channel) },
        { attemptId: id, payee: channel.receiver, maxValue: value, maxFee: most },
      ),
    )
    .catch(async (error: unknown) => {
      await resolver.giveBack(id, 'nothing was signed')
      throw error
    })
  await ledger.attempts.end(id, { state: 'unknown', reason: `${step} sent`, transaction: await transactionHash(signed), now: clock.now() })
  try {
    return await chain.sendTransaction(signed)
  } finally {
    if ((await resolver.settle(id, { tries: 4 })) === 'open') resolver.follow(id)
  }
}

/** How long the network may still take a transaction, and a little for the node to say what became of it. */
const OVER_AFTER_MS = 45_000

/** @throws RouteplaneError `overloaded` when a transaction of ours on this channel is still not known to be mined or dead. */
export async function endOwnCalls({ id }: ChannelRow, { ledger, resolver }: Pick<ChannelWorld, 'ledger' | 'resolver'>): Promise<void> {
  const open = await ledger.attempts.list({ states: ['intent', 'unknown'] })
  for (const { id: attempt, payment } of open) {
    if (payment?.proof !== tempoCall.id || payment.particulars?.['channel'] !== id) continue
    const state = await resolver.settle(attempt, { untilKnown: true, signal: AbortSignal.timeout(OVER_AFTER_MS) })
    if (state === 'open') {
      resolver.follow(attempt)
      throw new RouteplaneError('overloaded', 'a transaction on this channel is not known to be in a block yet', {
        hint: 'Run this again in a minute.',
      })
    }
  }
}

type Written = {
  readonly id: string
  readonly call: OwnCall
  readonly fee: Atomic
  readonly nonce: `0x${string}`
  readonly validBeforeSeconds: bigint
}

async function writeDown({ id, call, fee, nonce, validBeforeSeconds }: Written, world: OwnWorld): Promise<void> {
  const { ledger, clock, wallet } = world
  const { id: channel, network, asset, decimals, provider, model, resource } = call.channel
  const now = clock.now()
  const amountUsd = fromAtomic(fee, decimals, 'up')
  const requestId = `${id}-${call.step}`
  await ledger.attempts.hold({ id, requestId, provider, model, mode: 'mpp', amount: amountUsd, requestCap: amountUsd, budgets: [], now })
  const intent: Intent = {
    protocol: 'mpp',
    scheme: 'tempo/session',
    proof: tempoCall.id,
    network,
    asset,
    decimals,
    payer: wallet.address,
    payee: tempoFeeManager,
    amount: fee,
    amountUsd,
    nonce,
    validBeforeSeconds,
    particulars: { channel, step: call.step, to: tempoReserveAddress },
    resource,
    bodyDigest: createHash('sha256').digest('hex'),
    now: clock.now(),
  }
  await orGiveBack(id, world, () => ledger.attempts.intend(id, intent))
}
