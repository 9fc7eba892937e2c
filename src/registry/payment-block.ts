/** The `payment` block of a provider: which ways to be paid it takes, and the only payee, networks and assets for them. */
import * as z from 'zod'
import { defaultSolanaNetwork } from '../chain/networks.ts'
import { isSolanaAddress } from '../chain/solana/address.ts'
import { defined } from '../lib/defined.ts'
import type { PaymentModeName, ProviderPayment, X402Terms } from './endpoint.ts'
import { defaultNetworks, hasTwoSolanaPayees, payeesOf, type Payees } from './payees.ts'
import { mppTermsOf } from './mpp-terms.ts'
import { complain } from './problem.ts'
import { block, count, email, line, listOrOne, oneOf, permille, quoted } from './scalar.ts'
import { link } from './source-url.ts'

export const paymentModeNames = ['byok', 'x402', 'mpp', 'invoice'] as const satisfies readonly PaymentModeName[]
const schemeNames = ['exact', 'upto', 'batch-settlement'] as const

/** Base, and its test network, which only a wallet on test networks will use. */
const DEFAULT_NETWORKS = ['eip155:8453', 'eip155:84532'] as const
const DEFAULT_SOLANA_NETWORKS = [defaultSolanaNetwork('mainnet'), defaultSolanaNetwork('testnet')]
const DEFAULT_ASSETS = ['USDC'] as const

/** A challenge may exceed our own quote by so much when the manifest does not say; room for a seller's rounding. */
const DEFAULT_SLACK_PERMILLE = 1050n

/** A payee: shape only. Its checksum is compared after the schema, because that needs a package loaded on demand. */
const address = z.string().transform((text, context): string => {
  if (/^0x0{40}$/i.test(text)) complain(context, 'zero_address', 'is the zero address: money sent there is lost')
  else if (/^0x[0-9a-fA-F]{40}$/.test(text) || isSolanaAddress(text)) return text
  else if (/^[\d.]+e\+?\d+$/i.test(text)) {
    complain(
      context,
      'address_not_string',
      `${quoted(text)} is a number: an address without quotes was read as one and its digits are lost`,
    )
  } else complain(context, 'invalid_address', `${quoted(text)} is not an address: 0x and 40 hexadecimal digits, or 32 bytes in base58`)
  return z.NEVER
})

const solanaAddress = z.string().refine(isSolanaAddress, {
  message: 'is not an address of Solana: 32 bytes in base58',
  params: { code: 'invalid_address' },
})

const SOLANA = /^solana:[1-9A-HJ-NP-Za-km-z]{32}$/

/** @see https://chainagnostic.org/CAIPs/caip-2 */
const network = z.string().refine((text) => /^eip155:[1-9]\d{0,15}$/.test(text) || SOLANA.test(text), {
  message: 'is not the CAIP-2 id of a network, such as "eip155:8453"',
  params: { code: 'invalid_network' },
})

const asset = z.string().refine((text) => /^[A-Za-z][A-Za-z0-9.]{1,15}$/.test(text), {
  message: 'is not the symbol of an asset, such as "USDC"',
  params: { code: 'invalid_asset' },
})

/** The header by which the provider knows an account. Those that carry the exchange itself, a key or a payment are not for it. */
const accountHeader = z
  .string()
  .transform((text) => text.toLowerCase())
  .refine((text) => /^x-[a-z0-9-]{1,60}$/.test(text) && text !== 'x-payment' && text !== 'x-api-key', {
    message: 'is not a header of its own, such as "x-account-id"',
    params: { code: 'invalid_header' },
  })

/** As written; every scalar is text. */
export const paymentSchema = block({
  modes: listOrOne(oneOf(paymentModeNames, 'unknown_mode'), paymentModeNames.length),
  x402_address: address.optional(),
  x402_solana_address: solanaAddress.optional(),
  x402: block({
    networks: listOrOne(network, 16).optional(),
    assets: listOrOne(asset, 16).optional(),
    schemes: listOrOne(oneOf(schemeNames, 'unknown_scheme'), schemeNames.length).optional(),
    max_price_slack: permille(1000n, 2000n).optional(),
    facilitator: link.optional(),
  }).optional(),
  mpp: block({
    methods: listOrOne(line(32), 8).optional(),
    intents: listOrOne(oneOf(['charge', 'session']), 2).optional(),
    networks: listOrOne(network, 16).optional(),
    assets: listOrOne(asset, 16).optional(),
    max_price_slack: permille(1000n, 2000n).optional(),
  }).optional(),
  invoice: block({
    terms_days: count(0, 365).optional(),
    currency: oneOf(['USD']).optional(),
    email: email.optional(),
    account_header: accountHeader.optional(),
  }).optional(),
}).superRefine((payment, context) => {
  const { payTo, solanaPayTo } = payeesOf(payment)
  const unpaid = payment.modes.find((mode) => payTo === undefined && (mode === 'mpp' || (mode === 'x402' && solanaPayTo === undefined)))
  if (unpaid !== undefined)
    complain(context, 'address_required', `${unpaid} needs x402_address: without it nothing would ever be signed`, ['x402_address'])
  if (hasTwoSolanaPayees(payment))
    complain(context, 'conflicting_address', 'x402_address is on Solana too, and another one: keep one of the two', ['x402_solana_address'])
  if (new Set(payment.modes).size !== payment.modes.length) complain(context, 'duplicate_mode', 'a mode is listed twice', ['modes'])
})

export type PaymentFields = z.output<typeof paymentSchema>

const DEFAULT_INVOICE_DAYS = 30

/**
 * Gives the terms a payment block states; a provider without one takes API keys only.
 *
 * @param payees - Those of the fields, the EVM one as its checksum spells it.
 */
export function paymentOf(fields: PaymentFields | undefined, payees: Payees): ProviderPayment {
  if (fields === undefined) return { modes: ['byok'] }
  const { modes, mpp, invoice } = fields
  const { payTo, solanaPayTo } = payees
  const takesMpp = mpp !== undefined || modes.includes('mpp')
  return {
    modes,
    ...defined({
      x402: payTo === undefined && solanaPayTo === undefined ? undefined : x402TermsOf(fields.x402, payees),
      mpp: takesMpp && payTo !== undefined ? mppTermsOf(mpp ?? {}, payTo, mpp?.max_price_slack ?? DEFAULT_SLACK_PERMILLE) : undefined,
      invoice: modes.includes('invoice')
        ? {
            termsDays: invoice?.terms_days ?? DEFAULT_INVOICE_DAYS,
            ...defined({ email: invoice?.email, accountHeader: invoice?.account_header }),
          }
        : undefined,
    }),
  }
}

function x402TermsOf(fields: PaymentFields['x402'], payees: Payees): X402Terms {
  return {
    ...payees,
    networks: fields?.networks ?? defaultNetworks(payees, DEFAULT_NETWORKS, DEFAULT_SOLANA_NETWORKS),
    assets: fields?.assets ?? DEFAULT_ASSETS,
    // What its 402 offers is judged anyway: a manifest that names no scheme excludes none.
    schemes: fields?.schemes ?? schemeNames,
    maxPriceSlackPermille: fields?.max_price_slack ?? DEFAULT_SLACK_PERMILLE,
  }
}
