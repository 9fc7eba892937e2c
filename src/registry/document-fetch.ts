/** Fetches a document of a registry or a provider: bounded, unredirected, asked for anew only when it has changed. */
import { toRouteplaneError } from '../errors.ts'
import { headerOf, type HttpResponse, type Transport } from '../lib/http-call.ts'

const CONNECT_MS = 5_000

export type FetchOptions = {
  readonly transport: Transport
  /** Bounds the whole exchange. */
  readonly signal: AbortSignal
  readonly maxBytes: number
  /** Of the copy that is there; the answer may then be that it still holds. */
  readonly etag?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type Fetched = 'unchanged' | { readonly text: string; readonly etag: string | undefined }

export type FetchFailureCode =
  | 'bad_status'
  | 'bad_document'
  | 'redirect_refused'
  | 'private_address'
  | 'body_too_large'
  | 'timeout'
  | 'unreachable'

/** Why a document was not taken: a status for whoever keeps the last good one, not an error that a caller sees. */
export class FetchError extends Error {
  readonly code: FetchFailureCode
  constructor(code: FetchFailureCode, message: string) {
    super(message)
    this.code = code
  }
}

/** @throws FetchError, or what the transport throws; {@link fetchFailureOf} reads both. */
export async function fetchDocumentText(url: string, options: FetchOptions): Promise<Fetched> {
  const { transport, signal, maxBytes, etag } = options
  const headers = { accept: 'application/json', ...options.headers, ...(etag === undefined ? {} : { 'if-none-match': etag }) }
  const response = await transport({ method: 'GET', url, headers }, { signal, timeouts: { connectMs: CONNECT_MS }, maxBytes })
  const { status } = response
  if (status === 304) return 'unchanged'
  if (status >= 300 && status < 400) throw new FetchError('redirect_refused', `the answer was a redirect (${status})`)
  if (status !== 200) throw new FetchError('bad_status', `the answer had status ${status}`)
  return { text: await readText(response, signal, maxBytes), etag: headerOf(response.headers, 'etag') }
}

/** The transport bounds the body too; the count here does not depend on how. */
async function readText(response: HttpResponse, signal: AbortSignal, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    signal.throwIfAborted()
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new FetchError('body_too_large', `the document is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new FetchError('bad_document', 'the document is not UTF-8')
  }
}

export type FetchFailure = { readonly code: FetchFailureCode; readonly message: string }

/** Says in one of few words why fetching or reading a document failed. */
export function fetchFailureOf(thrown: unknown): FetchFailure {
  if (thrown instanceof FetchError) return thrown
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return { code: 'timeout', message: 'the exchange took too long' }
  const { code, message } = toRouteplaneError(thrown)
  switch (code) {
    case 'redirect_refused':
    case 'private_address':
      return { code, message }
    case 'response_too_large':
      return { code: 'body_too_large', message }
    case 'upstream_timeout':
    case 'idle_timeout':
      return { code: 'timeout', message }
    case 'invalid_json':
    case 'nesting_too_deep':
    case 'manifest_invalid':
      return { code: 'bad_document', message }
    default:
      return { code: 'unreachable', message }
  }
}
