/** Asks providers whether their endpoints and models documents answer, as a registry does before it takes one in. */
import { toRouteplaneError } from '../errors.ts'
import { headerOf, readBody, type HttpResponse, type Transport } from '../lib/http-call.ts'
import { tryParseJson } from '../lib/json.ts'
import type { ProviderDefinition } from './model-row.ts'
import { readModelsDocument } from './models-document.ts'
import { MAX_DOCUMENT_BYTES } from './poll.ts'

export type Reachability = {
  readonly provider: string
  readonly what: 'endpoint' | 'models_url'
  readonly url: string
  readonly ok: boolean
  /** Whether somebody answered, whatever he said. */
  readonly isReached: boolean
  /** What was seen, in words. */
  readonly evidence: string
}

export type ReachabilityLimits = {
  /** Milliseconds one question may take. */
  readonly totalMs: number
  /** So many providers are asked at a time. */
  readonly concurrency: number
  /** Ends all of it. */
  readonly signal?: AbortSignal
}

const LIMITS: ReachabilityLimits = { totalMs: 15_000, concurrency: 8 }
const CONNECTION = { connectMs: 5_000 } as const

/** Asks every active or staging provider; sends no key and no request that could cost anything. */
export async function checkReachability(
  definitions: readonly Pick<ProviderDefinition, 'provider'>[],
  transport: Transport,
  limits: ReachabilityLimits = LIMITS,
): Promise<readonly Reachability[]> {
  const asked = definitions.filter(({ provider }) => provider.status === 'active' || provider.status === 'staging')
  const queue = asked.entries()
  const results: (readonly Reachability[])[] = []
  const worker = async () => {
    for (const [at, definition] of queue) results[at] = await askProvider(definition, { transport, limits })
  }
  await Promise.all(Array.from({ length: Math.min(limits.concurrency, asked.length) }, worker))
  return results.flat()
}

type Asking = { readonly transport: Transport; readonly limits: ReachabilityLimits }

async function askProvider({ provider }: Pick<ProviderDefinition, 'provider'>, asking: Asking): Promise<readonly Reachability[]> {
  const endpoint = await ask({ provider: provider.id, what: 'endpoint', url: provider.baseUrl }, endpointEvidence, asking)
  if (provider.modelsUrl === undefined) return [endpoint]
  return [endpoint, await ask({ provider: provider.id, what: 'models_url', url: provider.modelsUrl }, documentEvidence, asking)]
}

type Verdict = Pick<Reachability, 'ok' | 'evidence'>

async function ask(
  question: Pick<Reachability, 'provider' | 'what' | 'url'>,
  judge: (response: HttpResponse) => Promise<Verdict>,
  { transport, limits }: Asking,
): Promise<Reachability> {
  const time = AbortSignal.timeout(limits.totalMs)
  const signal = limits.signal === undefined ? time : AbortSignal.any([time, limits.signal])
  try {
    const call = { method: 'GET', url: question.url, headers: { accept: 'application/json' } } as const
    const options = { signal, timeouts: CONNECTION, maxBytes: MAX_DOCUMENT_BYTES }
    return { ...question, isReached: true, ...(await judge(await transport(call, options))) }
  } catch (thrown) {
    const evidence = signal.aborted ? `no answer in ${limits.totalMs} ms` : toRouteplaneError(thrown).message
    return { ...question, isReached: false, ok: false, evidence }
  }
}

/** A base URL alone is rarely a page: whoever answers, with whatever refusal, is there. */
async function endpointEvidence(response: HttpResponse): Promise<Verdict> {
  for await (const _ of response.body) break
  return { ok: response.status < 500, evidence: `status ${response.status}` }
}

async function documentEvidence(response: HttpResponse): Promise<Verdict> {
  const text = await readBody(response, MAX_DOCUMENT_BYTES)
  if (response.status === 401 || response.status === 403) return { ok: true, evidence: `status ${response.status}: it asks for a key` }
  if (response.status !== 200) return { ok: false, evidence: `status ${response.status}` }
  const type = headerOf(response.headers, 'content-type') ?? 'no content type'
  const json = tryParseJson(text)
  if (json === undefined) return { ok: false, evidence: `status 200, ${type}, not JSON` }
  const document = readModelsDocument(json, { requirePricing: true })
  if ('reason' in document) return { ok: false, evidence: document.reason }
  const [first] = document.rejected
  const counts = `${document.rows.length} models, ${document.rejected.length} rejected`
  return {
    ok: document.rows.length > 0,
    evidence: first === undefined ? counts : `${counts} (${first.id ?? first.index}: ${first.reason})`,
  }
}
