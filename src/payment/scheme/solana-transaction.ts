/** Has the official client build a Solana payment; the one place that loads it, and only when a payment needs it. */
import { createRequire } from 'node:module'
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { tokenProgram } from '../../chain/solana/address.ts'
import { readTransaction } from '../../chain/solana/message.ts'

/** An optional peer: whoever pays on Solana installs it. */
const PACKAGE = '@x402/svm/exact/client'
export const SOLANA_PACKAGE_MISSING = 'paying on Solana takes the package @x402/svm, which is not installed: npm install @x402/svm'

/** Whether the official client is there, without loading it. */
export function hasSolanaClient(name: string = PACKAGE): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}

export type SolanaOrder = {
  readonly network: string
  readonly rpcUrl: string
  readonly payer: string
  readonly payee: string
  readonly mint: string
  readonly decimals: number
  readonly amount: bigint
  readonly feePayer: string
  readonly memo: string
  readonly blockhash: string
  readonly lastValidBlockHeight: bigint
}

/** Should it ask the node: it sets no time of its own. */
const TIMEOUT_MS = 10_000

/**
 * Builds the message of a payment, unsigned: the client is given a signer that signs nothing. Blockhash and memo are ours.
 *
 * @throws RouteplaneError `upstream_unreachable` when the node does not answer in time, `unsupported_scheme` without the package.
 */
export async function buildSolanaMessage(order: SolanaOrder): Promise<Uint8Array> {
  const { ExactSvmScheme } = await loadClient()
  const { payer, payee, mint, feePayer, memo, blockhash: recentBlockhash } = order
  const signer = { address: payer, signTransactions: async (transactions: readonly unknown[]) => transactions.map(() => ({})) }
  const client = new ExactSvmScheme(signer as never, { rpcUrl: order.rpcUrl })
  tellMint(client, order)
  const requirements = {
    scheme: 'exact',
    network: order.network,
    asset: mint,
    amount: order.amount.toString(),
    payTo: payee,
    maxTimeoutSeconds: 60,
    extra: { feePayer, memo, recentBlockhash, lastValidBlockHeight: order.lastValidBlockHeight.toString() },
  }
  const built = await inTime(client.createPaymentPayload(2, requirements as never), order.network)
  const encoded = isRecord(built.payload) ? built.payload['transaction'] : undefined
  const transaction = typeof encoded === 'string' ? readTransaction(Buffer.from(encoded, 'base64')) : undefined
  if (transaction !== undefined) return transaction.message
  throw new RouteplaneError('internal', 'the Solana client built something that is no transaction')
}

/**
 * Puts what our table says of the mint where the client keeps what it has asked for. Its own question would go out with a header
 * twice, which Node's `fetch` refuses once an undici of newer make is loaded, as the gateway's is. A client that keeps it elsewhere
 * asks, and the wallet's policy reads what it made of the answer.
 */
function tellMint(client: object, { network, mint, decimals }: SolanaOrder): void {
  const cache: unknown = 'mintCache' in client ? client.mintCache : undefined
  if (cache instanceof Map) cache.set(`${network}:${mint}`, Promise.resolve({ decimals, programAddress: tokenProgram }))
}

async function loadClient() {
  try {
    return await import('@x402/svm/exact/client')
  } catch (cause) {
    throw new RouteplaneError('unsupported_scheme', SOLANA_PACKAGE_MISSING, { cause })
  }
}

/** The client's own words may quote the node's URL, whose path is often somebody's key. */
async function inTime<Value>(work: Promise<Value>, network: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), TIMEOUT_MS)
  })
  try {
    return await Promise.race([work, late])
  } catch (error) {
    throw new RouteplaneError('upstream_unreachable', `payment: the node of ${network} did not say what is needed to build it`, {
      details: { network, reason: error instanceof Error ? error.name : 'unknown' },
    })
  } finally {
    clearTimeout(timer)
  }
}
