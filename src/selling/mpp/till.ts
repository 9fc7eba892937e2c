/** Takes payments of the Machine Payments Protocol: one challenge for each method and network, and the method's own way with credentials. */
import { assetsOf, type AssetRow } from '../../chain/networks.ts'
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import { parseJson } from '../../lib/json.ts'
import { ZERO_USD } from '../../money.ts'
import type { Quote, Till, WayToPay } from '../till.ts'
import { invalid, unfit } from '../x402/read.ts'
import { challengeHeader, isOurs, writeChallenge } from './challenge.ts'
import type { MppDesk, SellingMethod, Taken } from './method.ts'
import { sellingMethods } from './method/index.ts'
import { credentialIn, readCredential, wantedIn, type Presented } from './read.ts'
import { receiptHeaders } from './receipt.ts'

type Way = { readonly method: SellingMethod; readonly asset: AssetRow }

export function createMppTill(desk: MppDesk): Till {
  const ways = waysNamed(desk)
  const used = new Set(ways.map(({ method }) => method))
  const shown = ways.map(({ method, asset }): WayToPay => ({ protocol: 'mpp', scheme: method.id, charging: method.charging, asset }))
  return {
    id: 'mpp',
    ways: shown,
    openWays: () => Promise.resolve(shown),
    ask: async (quote) => ({ headers: await challengesFor(quote, ways, desk), body: {} }),
    async read(headers) {
      const header = ways.length === 0 ? undefined : credentialIn(headers)
      if (header === undefined) return undefined
      const { method, ...taken } = takenBy(readCredential(header), ways, desk.clock.now())
      return method.take(taken, desk)
    },
    async revive(sale) {
      if (sale.protocol !== 'mpp' || sale.credential === undefined) return undefined
      const { header } = parseJson(sale.credential) as { header: string }
      const { method, ...taken } = takenBy(readCredential(header), ways, sale.createdAt)
      return { ...(await method.take({ ...taken, isRevived: true }, desk)), payment: sale }
    },
    async tend(headers, resource) {
      const header = credentialIn(headers)
      if (header === undefined) return undefined
      const presented = readCredential(header)
      return tend(presented, ways, desk).catch(async (thrown: unknown) => {
        const error = toRouteplaneError(thrown)
        throw error.code === 'payment_required' ? await askedAgain(error.message, resource, ways, desk) : error
      })
    },
    receipt(sale) {
      if (sale.protocol !== 'mpp' || sale.state !== 'settled') return undefined
      const [method = ''] = sale.scheme.split('/')
      return receiptHeaders({ method, reference: sale.transaction ?? sale.nonce, timestamp: sale.updatedAt })
    },
    async payOut(idleMs) {
      let payers = 0
      for (const method of used) payers += (await method.payOut?.(desk, idleMs)) ?? 0
      return payers
    },
    async watch() {
      let payers = 0
      for (const method of used) payers += (await method.watch?.(desk)) ?? 0
      return payers
    },
  }
}

async function tend(presented: Presented, ways: readonly Way[], desk: MppDesk): Promise<Readonly<Record<string, string>>> {
  const { method, ...taken } = takenBy(presented, ways, desk.clock.now())
  if (method.tend === undefined) throw invalid('a payment of this method comes with the request that it pays for')
  if (!isOurs(await desk.bindingKey(), taken.presented.challenge)) throw unfit('the challenge of the payment is not one of ours')
  return method.tend(taken, desk)
}

/** Bound to no request: nothing can be bought on such a challenge, and all that goes beside requests can be sent on it. */
const NO_REQUEST = { digest: '', model: '', priceUsd: ZERO_USD }

/** A payer whose voucher, deposit or end was not taken tries once more on a challenge that is new. */
async function askedAgain(reason: string, resource: string, ways: readonly Way[], desk: MppDesk): Promise<RouteplaneError> {
  const tended = ways.filter(({ method }) => method.tend !== undefined)
  const headers = await challengesFor({ ...NO_REQUEST, resource }, tended, desk)
  if (Object.keys(headers).length === 0) return invalid(reason)
  return new RouteplaneError('payment_required', reason, { challenge: { headers, body: {} } })
}

async function challengesFor(quote: Quote, ways: readonly Way[], desk: MppDesk): Promise<Record<string, string>> {
  const key = await desk.bindingKey()
  const expiresAt = desk.clock.now() + desk.terms.offerSeconds * 1_000
  const realm = new URL(quote.resource).host
  const wanted = await Promise.all(ways.map(({ method, asset }) => method.ask(quote, asset, desk)))
  const challenges = wanted.flatMap((each) =>
    each === undefined ? [] : [challengeHeader(writeChallenge(key, each, realm, quote.digest, expiresAt))],
  )
  return challenges.length === 0 ? {} : { 'www-authenticate': challenges.join(', ') }
}

/** In the order of the config: a client takes the first that it can pay by. */
function waysNamed({ terms, hasKey }: MppDesk): readonly Way[] {
  const methods: readonly SellingMethod[] = sellingMethods.filter(({ id }) => terms.schemes.includes(id))
  const open = methods.filter(({ needsKey }) => needsKey !== true || hasKey)
  return open.flatMap((method) =>
    terms.networks.flatMap((network) => {
      const asset = assetsOf(network).find((each) => method.takes(each))
      return asset === undefined ? [] : [{ method, asset }]
    }),
  )
}

function takenBy(presented: Presented, ways: readonly Way[], claimedAt: number): Taken & Pick<Way, 'method'> {
  const { method, intent } = presented.challenge
  const named = ways.filter((way) => way.method.id === `${method}/${intent}`)
  if (named.length === 0) throw unfit('the payment is by a method that is not offered here')
  const wanted = wantedIn(presented.challenge)
  const way = named.find(({ asset }) => asset.network === `eip155:${wanted?.chainId}` && asset.address === wanted?.currency)
  if (way === undefined) throw unfit('the payment is on a network or in a token that is not offered here')
  return { presented, ...way, claimedAt, isRevived: false }
}
