/** One idempotency key, one request: its answer is kept and given again, and nobody pays twice for asking twice. */
import { createHash } from 'node:crypto'
import type { CompletionPart } from '../completion/part.ts'
import { isCommitted, RouteplaneError, toRouteplaneError, type ErrorCode, type MoneyState } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import { onEnd } from '../lib/stream.ts'
import { MAX_KEPT_BYTES, type IdempotencyClaim, type KeptAnswer, type Ledger } from '../ledger/ledger.ts'
import { formatUsd, parseUsd } from '../money.ts'
import type { Completion, CompletionHead, GatewayCall } from './call.ts'

export type IdempotencyDeps = { readonly ledger: Ledger; readonly clock: Clock; readonly log: Log }

/** How often a caller looks whether the first request with his key has ended. */
const LOOK_EVERY_MS = 200

/**
 * Runs `work` once for the call's key, or gives the answer that is kept; a second caller waits for the first.
 *
 * A request that failed without touching money gives its key back. One whose money may have moved keeps its error: the
 * key then always answers with it, because another try would pay again.
 *
 * @throws RouteplaneError `idempotency_conflict` (422, which SDKs do not retry) when the key belongs to another request.
 */
export async function onlyOnce(call: GatewayCall, deps: IdempotencyDeps, work: () => Promise<Completion>): Promise<Completion> {
  const key = call.read.extensions.idempotencyKey
  if (key === undefined) return work()
  const claim = await claimOrWait(call, key, deps)
  if (claim.kind === 'kept') return replay(claim.answer)
  // An answer that cannot be kept is still an answer; its key then stays taken, which is the safe side.
  const keep = async (answer: KeptAnswer | undefined) => {
    await deps.ledger.idempotency
      .finish(call.caller, key, answer)
      .catch((error: unknown) =>
        deps.log.warn('an answer could not be kept', { request: call.id, message: toRouteplaneError(error).message }),
      )
  }
  try {
    if (claim.abandoned !== undefined) await refuseIfPaid(claim.abandoned, deps.ledger)
    return record(await work(), keep)
  } catch (thrown) {
    const error = toRouteplaneError(thrown)
    await keep(isCommitted(error.money) ? keptError(error) : undefined)
    throw error
  }
}

async function claimOrWait(
  call: GatewayCall,
  key: string,
  { ledger, clock }: IdempotencyDeps,
): Promise<IdempotencyClaim & { kind: 'new' | 'kept' }> {
  const fingerprint = fingerprintOf(call)
  for (;;) {
    const claim = await ledger.idempotency.claim(call.caller, key, fingerprint, clock.now(), call.id)
    if (claim.kind === 'new' || claim.kind === 'kept') return claim
    if (claim.kind === 'conflict') {
      throw new RouteplaneError('idempotency_conflict', 'this idempotency key belongs to another request', {
        hint: 'Use a new key for a new request; keys are kept for 24 hours.',
      })
    }
    await clock.sleep(LOOK_EVERY_MS, call.signal)
  }
}

/** The same words and the same terms: the caller's own bytes where there are any. */
function fingerprintOf(call: GatewayCall): string {
  const hash = createHash('sha256')
    .update(call.wire?.protocol ?? 'parts')
    .update('\n')
  if (call.wire === undefined) return hash.update(JSON.stringify([call.read.model, call.decode()])).digest('hex')
  return hash.update(call.wire.request.path).update('\n').update(call.wire.request.body).digest('hex')
}

/** The process that held the key died. If it had come as far as a signature, its answer is lost but its payment is not. */
async function refuseIfPaid(requestId: string, ledger: Ledger): Promise<void> {
  const attempts = await ledger.attempts.list({ requestId })
  // A hold for an invoice is a debt already: its call may have been answered.
  const paid = attempts.find(({ state, payment, mode }) => state !== 'released' && (payment !== undefined || mode === 'invoice'))
  if (paid === undefined) return
  throw new RouteplaneError('answer_lost', `an earlier process took this key and may have paid (${paid.state}); its answer is lost`, {
    money: paid.state === 'settled' ? 'settled' : 'unknown',
    hint: `See receipt ${paid.id}; use a new key to ask and pay again.`,
    details: { attemptId: paid.id },
  })
}

type Keep = (answer: KeptAnswer | undefined) => Promise<void>

/** Lets the answer pass and keeps what passed; an answer too large to keep leaves a word of what became of it. */
function record(completion: Completion, keep: Keep): Completion {
  const { answer, head } = completion
  if (answer.lane === 'native' && answer.body instanceof Uint8Array) {
    const kept = keptAnswer(head, 'native', answer.status, answer.body, contentType(answer.headers))
    const closed = completion.closed.then(async (summary) => {
      await keep(kept)
      return summary
    })
    return { ...completion, closed }
  }
  const pieces: Uint8Array[] = []
  let size = 0
  const collect = (piece: Uint8Array) => {
    size += piece.length
    if (size <= MAX_KEPT_BYTES) pieces.push(piece)
  }
  const end = async (lane: 'native' | 'translate', status: number, type: string, failure: unknown) => {
    const body = Buffer.concat(pieces)
    await keep(failure === undefined && size <= MAX_KEPT_BYTES ? keptAnswer(head, lane, status, body, type) : keptError(lostError(head)))
  }
  if (answer.lane === 'native') {
    const { status, headers } = answer
    const body = onEnd(passing(answer.body as AsyncIterable<Uint8Array>, collect), (failure) =>
      end('native', status, contentType(headers), failure),
    )
    return { ...completion, answer: { ...answer, body } }
  }
  const line = (part: CompletionPart) => collect(Buffer.from(`${JSON.stringify(part)}\n`))
  const parts = onEnd(passing(answer.parts, line), (failure) => end('translate', 200, 'application/x-ndjson', failure))
  return { ...completion, answer: { ...answer, parts } }
}

async function* passing<T>(source: AsyncIterable<T>, look: (item: T) => void): AsyncGenerator<T> {
  for await (const item of source) {
    look(item)
    yield item
  }
}

function contentType(headers: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const value = headers['content-type']
  return typeof value === 'string' ? value : 'application/json'
}

function lostError(head: CompletionHead): RouteplaneError {
  const paid = head.receiptId !== undefined
  return new RouteplaneError('answer_lost', 'the answer to this key broke off or was too large to be kept', {
    money: paid ? 'signed' : 'untouched',
    hint: paid ? `See receipt ${head.receiptId}; use a new key to ask and pay again.` : 'Use a new key to ask again.',
  })
}

function keptAnswer(head: CompletionHead, lane: string, status: number, body: Uint8Array, type: string): KeptAnswer {
  const { costUsd, ...plain } = head
  const shown = JSON.stringify({ ...plain, ...(costUsd === undefined ? {} : { costUsd: formatUsd(costUsd) }) })
  return { status, headers: { lane, head: shown, 'content-type': type }, body }
}

function keptError(error: RouteplaneError): KeptAnswer {
  const { code, message, money, hint, details } = error
  const body = Buffer.from(JSON.stringify({ code, message, money, hint, details }))
  return { status: 424, headers: { lane: 'error' }, body }
}

/** Gives a kept answer as if it came now; it costs nothing. */
function replay(kept: KeptAnswer): Completion {
  const { lane = 'error', head: headText = '{}', 'content-type': type = 'application/json' } = kept.headers
  if (lane === 'error') throw readError(kept.body)
  const head = readHead(headText)
  const summary = {
    usage: undefined,
    costUsd: undefined,
    paidUsd: head.costUsd,
    totalMs: 0,
    ...(head.receiptId === undefined ? {} : { receiptId: head.receiptId }),
  }
  const closed = Promise.resolve(summary)
  if (lane === 'translate') return { head, closed, answer: { lane, parts: readParts(kept.body) } }
  const isStream = type.includes('event-stream')
  const body = isStream ? once(kept.body) : kept.body
  return { head, closed, answer: { lane: 'native', status: kept.status, headers: { 'content-type': type }, body } }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function* readParts(body: Uint8Array): AsyncGenerator<CompletionPart> {
  for (const line of Buffer.from(body).toString('utf8').split('\n')) if (line !== '') yield parseJson(line) as CompletionPart
}

function readHead(text: string): CompletionHead {
  const value = parseJson(text)
  if (!isRecord(value)) throw new RouteplaneError('internal', 'a kept answer has no head')
  const { costUsd, ...head } = value
  return { ...head, ...(typeof costUsd === 'string' ? { costUsd: parseUsd(costUsd) } : {}), replayed: true } as CompletionHead
}

function readError(body: Uint8Array): RouteplaneError {
  const value = parseJson(Buffer.from(body).toString('utf8'))
  if (!isRecord(value)) return new RouteplaneError('internal', 'a kept error cannot be read')
  const { code, message, money, hint, details } = value as {
    code: ErrorCode
    message: string
    money: MoneyState
    hint?: string
    details?: Record<string, unknown>
  }
  return new RouteplaneError(code, message, {
    money,
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  })
}
