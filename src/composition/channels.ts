/** Payment channels as surfaces read them: what lies where, and the two ways to get it back. */
import { bareRequest } from '../completion/bare-request.ts'
import type { CompletionRequest } from '../completion/request.ts'
import { RouteplaneError } from '../errors.ts'
import type { ChannelRow } from '../ledger/channel.ts'
import type { Transport } from '../lib/http-call.ts'
import type { WithdrawalStep } from '../chain/channel-id.ts'
import { refundChannel, type AskSeller } from '../payment/channel/close.ts'
import { syncChannel } from '../payment/channel/sync.ts'
import {
  planWithdrawal,
  quoteWithdrawal,
  sendWithdrawal,
  type Withdrawal,
  type WithdrawalCost,
  type WithdrawalWorld,
} from '../payment/channel/withdraw.ts'
import { closeSession } from '../payment/session/close.ts'
import { x402V2 } from '../payment/challenge/x402-v2.ts'
import { protocols } from '../protocol/index.ts'

export type ChannelView = {
  /** Oldest first; brought in step with the chain where it can be asked. */
  list(): Promise<readonly ChannelRow[]>
  /** Asks the seller to give back what it has not charged. @throws RouteplaneError `not_found`, `upstream_error`. */
  close(id: string): Promise<ChannelRow>
  /** Says where taking the money back without the seller stands, and records what has happened of it. Sends nothing. */
  withdrawal(id: string): Promise<Withdrawal>
  /** What a step would cost now. @throws RouteplaneError `keystore_missing`, `invalid_key` when the channel is another wallet's. */
  quoteWithdrawal(withdrawal: Withdrawal, step: WithdrawalStep): Promise<WithdrawalCost>
  /**
   * Sends the transaction of a step, at no more than was quoted. @returns its hash, and where the withdrawal stands then.
   *
   * @throws RouteplaneError `insufficient_funds`, `overloaded` while another transaction of the wallet is under way.
   */
  withdraw(
    withdrawal: Withdrawal,
    agreed: { readonly step: WithdrawalStep; readonly most: bigint },
  ): Promise<{ readonly transaction: `0x${string}`; readonly withdrawal: Withdrawal }>
}

/** A refund is a transaction, which the seller may wait for. */
const PATIENCE_MS = 60_000

export function viewChannels(world: WithdrawalWorld & { readonly transport: Transport }): ChannelView {
  const find = async (id: string): Promise<ChannelRow> => {
    const channel = await world.ledger.channels.get(id.toLowerCase())
    if (channel === undefined) throw new RouteplaneError('not_found', `there is no channel ${JSON.stringify(id.slice(0, 80))}`)
    return channel
  }
  return {
    async list() {
      const channels = await world.ledger.channels.list({})
      const open = channels.filter(({ state }) => state !== 'closed')
      const current = await Promise.all(open.map((channel) => syncChannel(channel, world).catch(() => channel)))
      return channels.map((channel) => current.find(({ id }) => id === channel.id) ?? channel)
    },
    async close(id) {
      const channel = await find(id)
      const ask: AskSeller = (headers) => world.transport(questionTo(channel, headers), { signal: AbortSignal.timeout(PATIENCE_MS) })
      return channel.opening === undefined ? refundChannel(channel, ask, x402V2, world) : closeSession(channel, ask, world)
    },
    withdrawal: async (id) => planWithdrawal(await find(id), world),
    quoteWithdrawal: (withdrawal, step) => quoteWithdrawal(withdrawal, step, world),
    async withdraw(withdrawal, agreed) {
      const transaction = await sendWithdrawal(withdrawal, agreed, world)
      return { transaction, withdrawal: await planWithdrawal(await find(withdrawal.channel.id), world) }
    },
  }
}

/** The smallest call of what was bought over the channel: sellers price a request before they look at a refund. */
function questionTo({ resource, wire, model }: ChannelRow, headers: Readonly<Record<string, string>>): Parameters<Transport>[0] {
  const protocol = protocols.find(({ id }) => id === wire)
  if (protocol === undefined) throw new RouteplaneError('internal', `there is no wire ${wire}`)
  const { body, headers: own } = protocol.upstream.encodeRequest(question(model), { model, stream: false })
  return {
    method: 'POST',
    url: resource,
    headers: { 'content-type': 'application/json', ...own, ...headers },
    body: new TextEncoder().encode(JSON.stringify(body)),
  }
}

function question(model: string): CompletionRequest {
  return { ...bareRequest(model, [{ type: 'text', text: '.' }]), maxOutputTokens: 1 }
}
