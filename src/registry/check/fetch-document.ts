/** Fetches a provider's models document once, for the rows that judge it and the prices the others go by. */
import { toRouteplaneError } from '../../errors.ts'
import { readBody, type Transport } from '../../lib/http-call.ts'
import { parseJson } from '../../lib/json.ts'
import { readModelsDocument, type ModelsDocument } from '../models-document.ts'
import { MAX_DOCUMENT_BYTES } from '../poll.ts'

export type FetchedDocument = {
  readonly url: string
  readonly status: number | undefined
  /** The parsed body, for what the reader of documents does not keep. */
  readonly json: unknown
  readonly document: ModelsDocument | undefined
  /** Why there is no document. */
  readonly problem?: string
}

const TOTAL_MS = 15_000

/** Never throws: what went wrong is in the answer. */
export async function fetchDocument(
  url: string,
  headers: Readonly<Record<string, string>>,
  transport: Transport,
): Promise<FetchedDocument> {
  try {
    const call = { method: 'GET', url, headers: { accept: 'application/json', ...headers } } as const
    const response = await transport(call, { signal: AbortSignal.timeout(TOTAL_MS), maxBytes: MAX_DOCUMENT_BYTES })
    const text = await readBody(response, MAX_DOCUMENT_BYTES)
    const { status } = response
    if (status !== 200) return { url, status, json: undefined, document: undefined, problem: `status ${status}` }
    const json = parseJson(text)
    const document = readModelsDocument(json, { requirePricing: true })
    if ('reason' in document) return { url, status, json, document: undefined, problem: document.reason }
    return { url, status, json, document }
  } catch (thrown) {
    const problem =
      thrown instanceof Error && thrown.name === 'TimeoutError' ? `no answer in ${TOTAL_MS} ms` : toRouteplaneError(thrown).message
    return { url, status: undefined, json: undefined, document: undefined, problem }
  }
}
