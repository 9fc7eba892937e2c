/** `tempo/charge`: a transaction that the payer has signed and we send, with a memo that names the challenge. */
import type { TransferEvidence } from '../../../chain/chain.ts'
import { chainIdOf } from '../../../chain/networks.ts'
import { toRouteplaneError } from '../../../errors.ts'
import type { SalePayment } from '../../../ledger/sale.ts'
import { amountOf } from '../../charge.ts'
import type { Quote, Settlement, Standing, Tender } from '../../till.ts'
import { balanceOf, spanOf } from '../../x402/collect.ts'
import { keyOf, member, unfit } from '../../x402/read.ts'
import { challengeFault } from '../challenge.ts'
import type { MppDesk, SellingMethod, Taken } from '../method.ts'
import { paymentBy } from '../payment.ts'
import { wantedIn } from '../read.ts'
import { receiptHeaders } from '../receipt.ts'
import { refusalOf } from '../refusal.ts'
import { readTransfer, type SignedTransfer } from '../tempo/transfer.ts'

/** Seconds that a payment must still be good for when it is handed over; the network lets none live for more than thirty. */
const LEAST_SECONDS = 8n
const POLL_MS = 250
/** A chain that shows no later block for so long after a payment's end leaves its outcome open. */
const PATIENCE_MS = 20_000

export const tempoCharge: SellingMethod = {
  id: 'tempo/charge',
  charging: 'quote',
  takes: ({ transferMethod }) => transferMethod === 'tip20',
  async ask(quote, asset, { terms }) {
    const most = amountOf(quote.priceUsd, asset.decimals)
    // The payer signs and we send: a payment that he has made himself could be shown to us for two requests.
    const methodDetails = { chainId: chainIdOf(asset.network), supportedModes: ['pull'] }
    const request = { amount: most.toString(), currency: asset.address, methodDetails, recipient: terms.payTo }
    return { method: tempoCharge.id, request, most }
  },
  async take(taken, desk) {
    const { presented, asset, claimedAt } = taken
    const { challenge, payload } = presented
    if (payload['type'] !== 'transaction') throw unfit('the payment is by a mode that is not offered here')
    const transfer = await readTransfer(member.hex(payload, 'signature') as `0x${string}`, asset)
    const payment: SalePayment = {
      // One memo is one payment: the challenge is in it, and whoever signs it twice has paid for one answer.
      key: keyOf(asset.network, asset.address, transfer.payer, transfer.memo),
      ...paymentBy(tempoCharge.id, { ...transfer, nonce: transfer.memo }, asset, desk),
    }
    const key = await desk.bindingKey()
    return {
      payment,
      charging: 'quote',
      isJudgedFreely: true,
      proof: challenge.id,
      credential: JSON.stringify({ header: presented.header }),
      mismatch(quote: Quote) {
        if (transfer.validBeforeSeconds * 1_000n < BigInt(desk.clock.now()) + LEAST_SECONDS * 1_000n)
          return 'payment_expired: the payment is good for too short a time'
        if (transfer.amount.toString() !== wantedIn(challenge)?.amount) return 'the payment is not the one that its challenge asks for'
        return challengeFault(key, challenge, quote.digest, desk.clock.now())
      },
      verify: () => verify(taken, desk),
      balance: () => balanceOf(payment, desk.chainOf),
      collect: () => collect({ payment, claimedAt, transfer }, desk),
      stands: () => standingOf({ payment, claimedAt }, desk),
      cancel: () => Promise.resolve(),
    }
  },
}

/** The official server judges the transaction and has the node try it out; nothing is sent. */
async function verify({ presented, asset }: Taken, { terms, clientOf }: MppDesk): ReturnType<Tender['verify']> {
  const client = await clientOf(asset.network)
  const [{ tempo, Store }, { Credential }] = await Promise.all([import('mppx/server'), import('mppx')])
  const method = tempo.charge({
    currency: asset.address,
    recipient: terms.payTo,
    chainId: chainIdOf(asset.network),
    getClient: () => client as never,
    store: Store.memory(),
  })
  const credential = Credential.deserialize(presented.header)
  try {
    await method.validate?.({ credential, request: credential.challenge.request } as never)
    return { valid: true }
  } catch (cause) {
    return { valid: false, reason: refusalOf(cause) }
  }
}

type Claimed = { readonly payment: SalePayment; readonly claimedAt: number }

/** Sends the transaction and looks for its memo until the chain shows it, or is past the time in which it could. */
async function collect({ transfer, ...claimed }: Claimed & { readonly transfer: SignedTransfer }, desk: MppDesk): Promise<Settlement> {
  const { clientOf, clock } = desk
  const { payment } = claimed
  let isSent = false
  try {
    for (;;) {
      const fate = await readFate(claimed, desk)
      if (fate !== undefined) return fate
      if (clock.now() > Number(payment.validBeforeSeconds) * 1_000 + PATIENCE_MS) return { state: 'unknown', reason: 'not_settled_yet' }
      if (!isSent) {
        isSent = true
        const { sendRawTransaction } = await import('viem/actions')
        const client = await clientOf(payment.network)
        // Sent before, or refused: the chain says which.
        await sendRawTransaction(client, { serializedTransaction: transfer.transaction }).catch(() => {})
        continue
      }
      await clock.sleep(POLL_MS)
    }
  } catch (thrown) {
    return { state: 'unknown', reason: toRouteplaneError(thrown).code }
  }
}

function findTransfer({ payment, claimedAt }: Claimed, toBlock: bigint, { chainOf }: MppDesk): Promise<TransferEvidence | undefined> {
  const { asset, payer, payee, nonce, network } = payment
  const parties = { asset: asset as `0x${string}`, payer: payer as `0x${string}`, payee: payee as `0x${string}` }
  return chainOf(network).findMemoTransfer({ ...parties, memo: nonce as `0x${string}`, toBlock, within: spanOf(payment, claimedAt) })
}

async function standingOf(claimed: Claimed, desk: MppDesk): Promise<Standing> {
  const chain = desk.chainOf(claimed.payment.network)
  const [latest, safe] = await Promise.all([chain.latestBlock(), chain.safeBlock()])
  const found = await findTransfer(claimed, latest.number, desk)
  if (found === undefined) return 'gone'
  return found.blockNumber <= safe.number ? 'safe' : 'unsafe'
}

/** `undefined` while it can still go either way. */
async function readFate(claimed: Claimed, desk: MppDesk): Promise<Settlement | undefined> {
  const { amountOffered, validBeforeSeconds, network } = claimed.payment
  const block = await desk.chainOf(network).latestBlock()
  const found = await findTransfer(claimed, block.number, desk)
  if (found !== undefined) {
    if (found.amount < amountOffered) return { state: 'refused', reason: 'amount_mismatch' }
    const { transaction } = found
    const headers = receiptHeaders({ method: 'tempo', reference: transaction, timestamp: desk.clock.now() })
    return { state: 'settled', amount: amountOffered, transaction, headers }
  }
  return block.timestampSeconds >= validBeforeSeconds ? { state: 'refused', reason: 'payment_expired' } : undefined
}
