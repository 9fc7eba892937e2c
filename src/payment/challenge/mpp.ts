/** The Machine Payments Protocol over HTTP: `WWW-Authenticate: Payment`, its credential, and `Payment-Receipt`. */
import { headerOf } from '../../lib/http-call.ts'
import { isRecord } from '../../lib/json.ts'
import type { ChallengeFormat, SettlementClaim, Terms } from './challenge.ts'
import { decodeJson, readMppChallenges, type MppChallenge } from './mpp-challenge.ts'

/** What a scheme signs, and who pays as the protocol names accounts. */
export type MppCredential = { readonly payload: object; readonly source: string }

/** A challenge lives five minutes with most sellers; one that names no end is not given more. */
const DEFAULT_TIMEOUT_SECONDS = 300

/** @see https://paymentauth.org (draft-httpauth-payment, sections 5.1 to 5.3) */
export const mpp: ChallengeFormat = {
  id: 'mpp',
  protocol: 'mpp',

  read(response) {
    const challenges = readMppChallenges(response.headers)
    return challenges === undefined ? undefined : { terms: challenges.map(toTerms), resource: undefined }
  },

  attach(credential, terms) {
    const { echo, credentialHeader } = terms.raw as MppChallenge
    const json = JSON.stringify({ challenge: echo, ...(credential as MppCredential) })
    return { [credentialHeader]: `Payment ${Buffer.from(json).toString('base64url')}` }
  },

  readClaim(response) {
    const header = headerOf(response.headers, 'payment-receipt')
    if (header === undefined) return undefined
    const receipt = decodeJson(header)
    return receipt === undefined ? 'invalid' : toClaim(receipt)
  },
}

/** What a method asks for, in neutral words. Methods we do not know come through too: the judge refuses them by name. */
function toTerms(challenge: MppChallenge): Terms {
  const { request, expiresAt, bodyDigest } = challenge
  const details = isRecord(request['methodDetails']) ? request['methodDetails'] : {}
  const { chainId, decimals } = details
  return {
    format: 'mpp',
    scheme: `${challenge.method}/${challenge.intent}`,
    network: typeof chainId === 'number' ? `eip155:${chainId}` : '',
    asset: textOf(request['currency']),
    amount: textOf(request['amount']),
    payTo: textOf(request['recipient']),
    maxTimeoutSeconds: DEFAULT_TIMEOUT_SECONDS,
    domain: {},
    transferMethod: transferMethodOf(challenge, details),
    paymentFlow: 'authorization',
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(bodyDigest === undefined ? {} : { bodyDigest }),
    ...(typeof decimals === 'number' ? { decimals } : {}),
    raw: challenge,
  }
}

/** How the money is to move: `evm` lets the payer choose among credential types, `tempo` among senders; we sign one each. */
function transferMethodOf({ method }: MppChallenge, details: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(details['splits']) && details['splits'].length > 0) return 'split'
  const choices = (name: string) => (Array.isArray(details[name]) ? details[name].map(textOf) : undefined)
  if (method === 'evm') {
    const types = choices('credentialTypes') ?? ['transaction']
    return types.includes('authorization') ? 'eip3009' : (types[0] ?? '')
  }
  const modes = choices('supportedModes') ?? ['pull']
  return method === 'tempo' && !modes.includes('pull') ? 'push' : method
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** A receipt is only ever given for success; its reference is the transaction where the method has one. */
function toClaim({ status, reference }: Readonly<Record<string, unknown>>): SettlementClaim | 'invalid' {
  if (status !== 'success') return 'invalid'
  const isTransaction = typeof reference === 'string' && /^0x[0-9a-fA-F]{64}$/.test(reference)
  return { success: true, ...(isTransaction ? { transaction: reference } : {}) }
}
