/** Receipts as surfaces read them: rows of the ledger, and what the chain says of them. */
import type { Chain } from '../chain/chain.ts'
import { findToken, tokensOf, type AssetRow, type TokenRow } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Paper } from '../ledger/paper.ts'
import { channelBooks, type ChannelBooks } from '../payment/channel/books.ts'
import { reconcile, type Reconciliation } from '../payment/reconcile.ts'
import type { RecoveryReport, Resolver } from '../payment/resolver.ts'
import { recheckSettled } from '../payment/recheck.ts'
import type { SolanaSide } from '../wallet/solana/open.ts'
import { verifyReceipt, type Verification } from '../payment/verify.ts'

export type ReceiptView = {
  list(filter: { readonly limit?: number; readonly before?: string; readonly requestId?: string }): Promise<readonly AttemptRow[]>
  get(id: string): Promise<AttemptRow | undefined>
  /** What the seller signed about a payment, and what its signature is worth. */
  papers(id: string): Promise<readonly Paper[]>
  /** Reads the chain: transfer and authorization must match the receipt. */
  verify(id: string): Promise<Verification>
  /** Proves for the wallet's own token that the ledger equals the chain over a range of blocks; open attempts are ended first. */
  reconcile(range: BlockRange): Promise<Reconciliation>
  /**
   * The same for every token that a receipt is in, and the wallet's own, or all tokens of one network. Blocks are those of
   * one network: a range without a network is one of the wallet's own.
   *
   * @throws RouteplaneError `unknown_network` for one that no token is known on.
   */
  reconcileAll(range: BlockRange & { readonly network?: string }): Promise<readonly TokenBooks[]>
}

/** Inclusive on both sides. */
export type BlockRange = { readonly fromBlock?: bigint; readonly toBlock?: bigint }

/** A token's books: compared, or the reason why its chain could not be asked, which is no agreement. */
export type TokenBooks = {
  readonly network: string
  readonly asset: string
  readonly result?: Reconciliation
  /** Where what was put into payment channels is; absent when its chain could not be asked. */
  readonly channels?: readonly ChannelBooks[]
  readonly problem?: string
}

export type ReceiptSources = {
  readonly ledger: Ledger
  readonly chainOf: (network: string) => Chain
  readonly solana: SolanaSide
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
  /** The default token of the wallet's network. */
  readonly asset: AssetRow | undefined
  readonly payer: `0x${string}` | undefined
  readonly recovered: Promise<RecoveryReport>
}

const DEFAULT_PAGE = 50

export function viewReceipts(sources: ReceiptSources): ReceiptView {
  const { ledger, chainOf, solana, resolver, clock, log, asset, payer, recovered } = sources
  return {
    list: (filter) => ledger.attempts.list({ ...filter, withIntent: true, limit: filter.limit ?? DEFAULT_PAGE }),
    get: (id) => ledger.attempts.get(id),
    papers: (id) => ledger.papers.of(id),
    async verify(id) {
      const row = await ledger.attempts.get(id)
      if (row === undefined) throw new RouteplaneError('receipt_not_found', `there is no receipt ${JSON.stringify(id.slice(0, 60))}`)
      return verifyReceipt(row, { ledger, chainOf, solana, now: clock.now() })
    },
    async reconcile(range) {
      const own = requireWallet()
      return reconcile({ ledger, chain: chainOf(own.asset.network), ...own, resolved: await endOpen(), ...range })
    },
    async reconcileAll({ network, ...range }) {
      const own = requireWallet()
      const resolved = await endOpen()
      const hasRange = range.fromBlock !== undefined || range.toBlock !== undefined
      const only = network ?? (hasRange ? own.asset.network : undefined)
      const tokens = only === undefined ? await paidTokens(ledger, own, solana.wallet?.address) : requireTokens(only)
      const read = async (token: TokenRow): Promise<TokenBooks> => {
        const named = { network: token.network, asset: token.symbol }
        try {
          if (token.transferMethod === 'spl') return { ...named, result: await reconcileSolana(token, { resolved, ...range }) }
          const chain = chainOf(token.network)
          const inChannels = { network: token.network, asset: token.address, payer: own.payer }
          const channels = await channelBooks(inChannels, { ledger, chainOf, resolver, clock, log })
          return { ...named, result: await reconcile({ ledger, chain, asset: token, payer: own.payer, resolved, ...range }), channels }
        } catch (error) {
          return { ...named, problem: error instanceof Error ? error.message : String(error) }
        }
      }
      return Promise.all(tokens.map(read))
    },
  }

  async function reconcileSolana(asset: TokenRow, how: BlockRange & { readonly resolved: number }): Promise<Reconciliation> {
    if (solana.wallet === undefined) throw new RouteplaneError('keystore_missing', 'there is no Solana wallet to reconcile')
    return reconcile({ ledger, chain: solana.chainOf(asset.network), asset, payer: solana.wallet.address, ...how })
  }

  function requireWallet() {
    if (payer !== undefined && asset !== undefined) return { payer, asset }
    throw new RouteplaneError('keystore_missing', 'there is no wallet to reconcile')
  }

  async function endOpen(): Promise<number> {
    await recheckSettled({ ledger, chainOf, solana, resolver, clock, log })
    return (await recovered).ended + (await resolver.sweep())
  }
}

type Own = { readonly payer: string; readonly asset: AssetRow }

/** The wallet's own token, then every other that it has paid in, each once. */
async function paidTokens(ledger: Ledger, own: Own, solanaPayer: string | undefined): Promise<readonly TokenRow[]> {
  const settled = await ledger.attempts.list({ states: ['settled'] })
  const isOwn = (payer: string) => payer === own.payer || payer === solanaPayer
  const paid = settled.flatMap(({ payment }) =>
    payment !== undefined && isOwn(payment.payer) ? (findToken(payment.network, payment.asset) ?? []) : [],
  )
  return [...new Set([own.asset, ...paid])]
}

function requireTokens(network: string): readonly TokenRow[] {
  const tokens = tokensOf(network)
  if (tokens.length > 0) return tokens
  throw new RouteplaneError('unknown_network', `no token is known on ${JSON.stringify(network.slice(0, 60))}`)
}
