/** Says what a failed exchange was: which phase it died in, and whether a byte of the request can have left. */
import { RouteplaneError, type ErrorCode } from '../errors.ts'

/** How far an exchange had come; `draining` and `over` fail silently. */
export type ExchangePhase = 'connect' | 'head' | 'body' | 'draining' | 'over'

/** Maps whatever the HTTP client throws; the original stays the cause and its text is not shown. */
export function toTransportError(error: Error, phase: ExchangePhase): RouteplaneError {
  if (error instanceof RouteplaneError) return error
  const reason = codeOf(error)
  if (phase === 'connect') return connectError(error, reason)
  const details = { phase: phase === 'head' ? 'head' : 'body', reason, sent: true }
  const make = (code: ErrorCode, message: string): RouteplaneError => new RouteplaneError(code, message, { details, cause: error })
  if (reason === 'UND_ERR_HEADERS_OVERFLOW') return make('response_too_large', "the head of the upstream's answer is too large")
  if (phase !== 'head') return make('stream_incomplete', "the upstream's answer broke off")
  if (isMalformed(error, reason)) return make('upstream_error', 'the upstream did not answer in valid HTTP')
  return make('upstream_unreachable', 'the upstream closed the connection without an answer')
}

/** A connection that was never made, or a handshake that never ended: HTTP has not begun, so nothing has left. */
function connectError(error: Error, reason: string): RouteplaneError {
  const phase = connectPhase(reason)
  const details = { phase, reason, sent: false }
  if (reason === 'UND_ERR_CONNECT_TIMEOUT' || reason === 'ETIMEDOUT') {
    return new RouteplaneError('upstream_timeout', 'no connection was made in time', { details, cause: error })
  }
  const what = { dns: 'its name has no address', tls: 'the TLS handshake failed', connect: 'no connection could be made' }[phase]
  return new RouteplaneError('upstream_unreachable', `the upstream cannot be reached: ${what}`, { details, cause: error })
}

function connectPhase(reason: string): 'dns' | 'tls' | 'connect' {
  if (reason === 'ENOTFOUND' || reason.startsWith('EAI_') || reason === 'ENODATA') return 'dns'
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|EPROTO|ERR_OSSL|HOSTNAME_MISMATCH)/.test(reason)) return 'tls'
  return 'connect'
}

function isMalformed(error: Error, reason: string): boolean {
  return reason.startsWith('HPE_') || reason === 'ERR_ASSERTION' || reason.startsWith('UND_ERR_RES_') || error.name === 'HTTPParserError'
}

function codeOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : error.name
}
