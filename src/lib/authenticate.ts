/** Reads `WWW-Authenticate`: the challenges of any schemes, in one header or in many, with their parameters. */
import { RouteplaneError } from '../errors.ts'

/** One challenge; names of parameters are in lower case, the scheme is as it was written. */
export type AuthChallenge = { readonly scheme: string; readonly parameters: ReadonlyMap<string, string> }

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const SEPARATORS = /[ \t,]*/y
const SCHEME = new RegExp(`(${TOKEN})(?=[ \\t,]|$)`, 'y')
/** A scheme's one value without a name, as `Negotiate` has it. */
const TOKEN_68 = /[ \t]+[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y
const PARAMETER = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*(?:"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"|(${TOKEN}))(?=[ \\t]*(?:,|$))`, 'y')

/**
 * Splits one header into its challenges. A comma parts parameters as well as challenges, so that only what stands before a
 * blank and not before an equals sign begins a new one.
 *
 * @throws RouteplaneError `bad_challenge` for text that is not of the grammar, or a parameter given twice.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export function parseAuthenticate(header: string): readonly AuthChallenge[] {
  const challenges: AuthChallenge[] = []
  const scan = createScan(header)
  scan.take(SEPARATORS)
  while (!scan.atEnd()) {
    const scheme = scan.take(SCHEME)?.[1]
    if (scheme === undefined) throw malformed('it names no scheme where one should begin')
    const parameters = new Map<string, string>()
    challenges.push({ scheme, parameters })
    if (scan.take(TOKEN_68) === undefined) readParameters(scan, parameters)
    scan.take(SEPARATORS)
  }
  return challenges
}

type Scan = { take(pattern: RegExp): RegExpExecArray | undefined; atEnd(): boolean }

function createScan(text: string): Scan {
  let at = 0
  return {
    take(pattern) {
      pattern.lastIndex = at
      const match = pattern.exec(text)
      if (match === null) return undefined
      at = pattern.lastIndex
      return match
    },
    atEnd: () => at >= text.length,
  }
}

function readParameters(scan: Scan, parameters: Map<string, string>): void {
  for (;;) {
    scan.take(SEPARATORS)
    const match = scan.take(PARAMETER)
    if (match === undefined) return
    const name = (match[1] ?? '').toLowerCase()
    if (parameters.has(name)) throw malformed(`it gives ${JSON.stringify(name.slice(0, 40))} twice`)
    parameters.set(name, match[2] === undefined ? (match[3] ?? '') : match[2].replaceAll(/\\(.)/g, '$1'))
  }
}

function malformed(what: string): RouteplaneError {
  return new RouteplaneError('bad_challenge', `the WWW-Authenticate header cannot be read: ${what}`)
}
