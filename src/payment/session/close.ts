/** Asks a session's seller to close its channel, by which everything that was not spent comes back. */
import { RouteplaneError } from '../../errors.ts'
import type { ChannelRow } from '../../ledger/channel.ts'
import { readBody } from '../../lib/http-call.ts'
import { mpp } from '../challenge/mpp.ts'
import { endVouchers, notGiven, type AskSeller } from '../channel/close.ts'
import { syncChannel, type ChannelWorld } from '../channel/sync.ts'
import { signSession } from './credential.ts'

const MAX_ANSWER_BYTES = 64 * 1024

/**
 * The seller sends the closing transaction, and may take what we count as charged, no more. Only the chain says that it was done.
 *
 * @throws RouteplaneError `upstream_error` when the seller does not do it, with the other way in the hint.
 */
export async function closeSession(before: ChannelRow, ask: AskSeller, world: ChannelWorld): Promise<ChannelRow> {
  const { channels } = world.ledger
  const channel = await syncChannel(before, world)
  if (channel.deposited > 0n && !(await isEnded(channel, world))) {
    const first = await ask({})
    const body = await readBody(first, MAX_ANSWER_BYTES)
    const challenge = first.status === 402 ? mpp.read(first, body) : undefined
    const terms = challenge?.terms.find(
      ({ scheme, network, payTo }) =>
        scheme === 'tempo/session' && network === channel.network && payTo.toLowerCase() === channel.receiver.toLowerCase(),
    )
    if (challenge === undefined || terms === undefined) throw notGiven(channel, challenge)
    const answer = await ask(mpp.attach(await signSession('close', channel, channel.charged, world.ledger), terms, challenge))
    await readBody(answer, MAX_ANSWER_BYTES)
    if (!(await isEnded(channel, world))) throw notGiven(channel, undefined)
  }
  const after = channel.deposited > 0n ? await syncChannel(channel, world) : channel
  if (after.depositing > 0n) throw new RouteplaneError('overloaded', 'the deposit of this channel is not known to have arrived yet')
  await endVouchers(after, world)
  await channels.mark(after.id, { state: 'closed', reason: 'closed by its seller' }, world.clock.now())
  return { ...after, state: 'closed' }
}

/** A channel that has ended holds nothing beyond what its payee got. */
async function isEnded({ id, network }: ChannelRow, { chainOf }: ChannelWorld): Promise<boolean> {
  const { balance, claimed } = await chainOf(network).channel(id)
  return balance === claimed
}
