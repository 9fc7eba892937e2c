/** Asks a session's seller to close its channel, by which everything that was not spent comes back. */
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import { readBody } from '../../lib/http-call.ts'
import type { Atomic } from '../../money.ts'
import { mpp } from '../challenge/mpp.ts'
import { endVouchers, notGiven, type AskSeller } from '../channel/close.ts'
import { readChannel, syncChannel, type ChannelWorld } from '../channel/sync.ts'
import { signSession } from './credential.ts'

const MAX_ANSWER_BYTES = 64 * 1024

/**
 * The seller sends the closing transaction, and may take what we count as charged; where it took more for a call whose answer we
 * lost, what that call's voucher allowed, and no more. Only the chain says that it was done.
 *
 * @throws RouteplaneError `upstream_error` when the seller does not do it, with the other way in the hint.
 */
export async function closeSession(before: ChannelRow, ask: AskSeller, world: ChannelWorld): Promise<ChannelRow> {
  const { channels } = world.ledger
  const channel = await syncChannel(before, world)
  for (const cumulative of channel.deposited > 0n ? await closingAmounts(channel, world) : []) {
    if (await isEnded(channel, world)) break
    await askToClose(channel, cumulative, ask, world)
  }
  if (channel.deposited > 0n && !(await isEnded(channel, world))) throw notGiven(channel, undefined)
  const after = channel.deposited > 0n ? await syncChannel(channel, world) : channel
  if (after.depositing > 0n) throw new RouteplaneError('overloaded', 'the deposit of this channel is not known to have arrived yet')
  await endVouchers(after, world)
  await channels.mark(after.id, { state: 'closed', reason: 'closed by its seller' }, world.clock.now())
  return { ...after, state: 'closed' }
}

/** What a closing voucher may say: what is agreed, and, for a seller that has taken more of a call we know no charge of, all it may have. */
async function closingAmounts({ id, charged }: ChannelRow, { ledger }: ChannelWorld): Promise<readonly Atomic[]> {
  const open = await ledger.channels.openVouchers(id)
  const most = open.reduce((top, { base, amount }) => (base + amount > top ? ((base + amount) as Atomic) : top), charged)
  return most > charged ? [charged, most] : [charged]
}

async function askToClose(channel: ChannelRow, cumulative: Atomic, ask: AskSeller, { ledger }: ChannelWorld): Promise<void> {
  const first = await ask({})
  const body = await readBody(first, MAX_ANSWER_BYTES)
  const challenge = first.status === 402 ? mpp.read(first, body) : undefined
  const terms = challenge?.terms.find(
    ({ scheme, network, payTo }) =>
      scheme === 'tempo/session' && network === channel.network && payTo.toLowerCase() === channel.receiver.toLowerCase(),
  )
  if (challenge === undefined || terms === undefined) throw notGiven(channel, challenge)
  const answer = await ask(mpp.attach(await signSession('close', channel, cumulative, ledger), terms, challenge))
  await readBody(answer, MAX_ANSWER_BYTES)
}

/** A channel that has ended holds nothing beyond what its payee got. */
async function isEnded(channel: ChannelRow, world: ChannelWorld): Promise<boolean> {
  const { balance, claimed } = await readChannel(channel, world)
  return balance === claimed
}
