/** Challenges and credentials of the Machine Payments Protocol, between their form in HTTP headers and the JSON that MCP carries. */
import { parseAuthenticate } from '../lib/authenticate.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'

/** As MCP carries it: every parameter of the header, with the request read. */
export type MppChallenge = Readonly<Record<string, unknown>>

/** Reads the challenges that can be paid with one call of a tool: a session is paid while an answer streams, which a result does not. */
export function challengesIn(header: string | readonly string[] | undefined): readonly MppChallenge[] {
  return [header ?? []]
    .flat()
    .flatMap(parseAuthenticate)
    .filter(({ scheme, parameters }) => scheme.toLowerCase() === 'payment' && parameters.get('intent') === 'charge')
    .map(({ parameters }) => ({ ...Object.fromEntries(parameters), request: decode(parameters.get('request')) }))
}

function decode(request: string | undefined): unknown {
  return tryParseJson(Buffer.from(request ?? '', 'base64url').toString('utf8'))
}

/** Writes a credential as its header has it. What is none is written all the same: the till says what is wrong with it. */
export function credentialHeader(credential: unknown): string {
  return `Payment ${Buffer.from(JSON.stringify(withText(credential))).toString('base64url')}`
}

/** The request is sealed as the text it was sent in; the canonical form is that text again. @see RFC 8785 */
function withText(credential: unknown): unknown {
  if (!isRecord(credential) || !isRecord(credential['challenge'])) return credential
  const { request } = credential['challenge']
  if (!isRecord(request)) return credential
  const text = Buffer.from(JSON.stringify(sorted(request))).toString('base64url')
  return { ...credential, challenge: { ...credential['challenge'], request: text } }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  const members = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]))
}
