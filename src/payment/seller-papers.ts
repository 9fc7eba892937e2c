/** x402's `offer-receipt`: offers and receipts that a seller signs, checked against its payee and this payment, and kept. */
import { recoverSigner } from '../chain/typed-signer.ts'
import { isRecord } from '../lib/json.ts'
import { MAX_PAPER, type Paper, type PaperKind } from '../ledger/paper.ts'
import type { AnyPlan } from './scheme/scheme.ts'

const KEY = 'offer-receipt'

/** Both kinds are signed for chain id 1, on whatever network is paid. */
const version = { version: '1', chainId: 1 } as const

/** @see https://github.com/coinbase/x402/blob/main/specs/extensions/extension-offer-and-receipt.md */
const signedForms = {
  offer: {
    domain: { name: 'x402 offer', ...version },
    primaryType: 'Offer',
    fields: [
      ['version', 'uint256'],
      ['resourceUrl', 'string'],
      ['scheme', 'string'],
      ['network', 'string'],
      ['asset', 'string'],
      ['payTo', 'string'],
      ['amount', 'string'],
      ['validUntil', 'uint256'],
    ],
  },
  receipt: {
    domain: { name: 'x402 receipt', ...version },
    primaryType: 'Receipt',
    fields: [
      ['version', 'uint256'],
      ['network', 'string'],
      ['resourceUrl', 'string'],
      ['payer', 'string'],
      ['issuedAt', 'uint256'],
      ['transaction', 'string'],
    ],
  },
} as const satisfies Record<PaperKind, unknown>

/** The papers of a payment, still unread: the offers of its 402, and the receipt of its answer. */
export type UnreadPapers = { readonly offers: readonly unknown[]; readonly receipt: unknown }

/** @param declared - The 402's `extensions`, as they came. */
export function offersIn(declared: unknown): readonly unknown[] {
  const offers = infoOf(declared)['offers']
  return Array.isArray(offers) ? offers.slice(0, 8) : []
}

/** @param extensions - Those of the settlement's header. */
export function receiptIn(extensions: unknown): unknown {
  return infoOf(extensions)['receipt']
}

function infoOf(extensions: unknown): Record<string, unknown> {
  const extension = isRecord(extensions) ? extensions[KEY] : undefined
  return isRecord(extension) && isRecord(extension['info']) ? extension['info'] : {}
}

/** Reads and judges what a seller has signed about a payment: the offer that was taken, and the receipt. Never rejects. */
export async function readPapers({ offers, receipt }: UnreadPapers, plan: AnyPlan, payer: string): Promise<readonly Paper[]> {
  const { scheme, network, asset, payTo, amount } = plan.agreed.terms
  const taken = { scheme, network, asset, payTo, amount }
  const offer = offers.find((each) => isAbout(each, taken)) ?? offers.find((each) => !hasFields(each))
  const { agreed } = plan
  const papers = await Promise.all([
    offer === undefined ? [] : judge('offer', offer, agreed.payTo, undefined),
    receipt === undefined ? [] : judge('receipt', receipt, agreed.payTo, { network: agreed.asset.network, payer }),
  ])
  return papers.flat()
}

/** A form without fields of its own is a text whose key stands elsewhere. */
function hasFields(paper: unknown): paper is { readonly payload: Record<string, unknown> } {
  return isRecord(paper) && isRecord(paper['payload'])
}

function isAbout(paper: unknown, facts: Readonly<Record<string, string>>): boolean {
  if (!hasFields(paper)) return false
  return Object.entries(facts).every(([name, value]) => String(paper.payload[name]).toLowerCase() === value.toLowerCase())
}

async function judge(
  kind: PaperKind,
  paper: unknown,
  payee: string,
  facts: Readonly<Record<string, string>> | undefined,
): Promise<Paper[]> {
  const text = JSON.stringify(paper)
  if (!isRecord(paper) || text.length > MAX_PAPER) return []
  if (paper['format'] !== 'eip712') return [{ kind, verdict: 'unchecked', reason: 'its form does not say whose key it is', text }]
  if (facts !== undefined && !isAbout(paper, facts)) return [{ kind, verdict: 'wrong', reason: 'it is about another payment', text }]
  const signer = await signerOf(kind, paper)
  if (signer === undefined) return [{ kind, verdict: 'wrong', reason: 'its signature cannot be read', text }]
  const isPayee = signer.toLowerCase() === payee.toLowerCase()
  return [
    { kind, verdict: isPayee ? 'good' : 'wrong', reason: isPayee ? 'signed by the payee' : `signed by ${signer}, not by the payee`, text },
  ]
}

async function signerOf(kind: PaperKind, paper: Record<string, unknown>): Promise<string | undefined> {
  const { domain, primaryType, fields } = signedForms[kind]
  const { payload, signature } = paper
  if (!isRecord(payload) || typeof signature !== 'string') return undefined
  const values = fields.map(([name, type]) => [name, type === 'uint256' ? wholeNumber(payload[name]) : payload[name]] as const)
  if (values.some(([, value]) => value === undefined)) return undefined
  const types = { [primaryType]: fields.map(([name, type]) => ({ name, type })) }
  return recoverSigner({ domain, primaryType, types, message: Object.fromEntries(values) }, signature)
}

/** JSON has no big numbers: versions and times are small, or somebody is probing. */
function wholeNumber(value: unknown): bigint | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined
}
