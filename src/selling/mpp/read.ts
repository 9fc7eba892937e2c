/** Reads the credential of a request that pays over the Machine Payments Protocol; nothing of it is believed yet. */
import { isRecord, tryParseJson } from '../../lib/json.ts'
import type { RequestHeaders } from '../till.ts'
import { invalid, isInteger } from '../x402/read.ts'
import type { Echo } from './challenge.ts'

export type Presented = {
  /** As it came: all that is needed to read it again. */
  readonly header: string
  readonly challenge: Echo
  /** What the method's client signed. */
  readonly payload: Readonly<Record<string, unknown>>
}

const MAX_CHARACTERS = 8 * 1024
const MAX_DEPTH = 8
const CREDENTIAL = /^payment +([A-Za-z0-9_-]+)=* *$/i

/** Clients that need `Authorization` for something else may use the other; both at once are two payments. */
export function credentialIn(headers: RequestHeaders): string | undefined {
  const found = ['authorization', 'payment-authorization']
    .flatMap((name) => [headers[name] ?? []].flat())
    .filter((value) => /^payment /i.test(value))
  if (found.length > 1) throw invalid('the request carries two payments')
  return found[0]
}

/** @throws RouteplaneError `invalid_payment` when it cannot be read. */
export function readCredential(header: string): Presented {
  const encoded = header.length > MAX_CHARACTERS ? undefined : CREDENTIAL.exec(header)?.[1]
  const value = encoded === undefined ? undefined : tryParseJson(Buffer.from(encoded, 'base64url').toString('utf8'), MAX_DEPTH)
  if (!isRecord(value) || !isRecord(value['challenge']) || !isRecord(value['payload'])) {
    throw invalid('the Payment credential is not base64url of JSON with a challenge and a payload')
  }
  return { header, challenge: readEcho(value['challenge']), payload: value['payload'] }
}

function readEcho(from: Record<string, unknown>): Echo {
  const text = (name: string): string => {
    const value = from[name]
    if (typeof value !== 'string') throw invalid(`${name} of the challenge is missing in the payment`)
    return value
  }
  const [id, realm, method, intent] = [text('id'), text('realm'), text('method'), text('intent')]
  return { id, realm, method, intent, request: text('request'), expires: text('expires') }
}

/** What a challenge of ours asks for; whether it is ours has to be seen before anything of this is used. */
export function wantedIn({ request }: Echo): { readonly amount: string; readonly currency: string; readonly chainId: number } | undefined {
  const value = tryParseJson(Buffer.from(request, 'base64url').toString('utf8'), MAX_DEPTH)
  if (!isRecord(value) || !isRecord(value['methodDetails'])) return undefined
  const { amount, currency } = value
  const { chainId } = value['methodDetails']
  if (!isInteger(amount) || typeof currency !== 'string' || typeof chainId !== 'number') return undefined
  return { amount, currency, chainId }
}
