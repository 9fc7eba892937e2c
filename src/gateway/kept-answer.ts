/** Keeps a copy of an answer as it passes, and gives it again as if it came now. */
import type { CompletionPart } from '../completion/part.ts'
import { RouteplaneError, type ErrorCode, type MoneyState } from '../errors.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import type { AttemptRow } from '../ledger/entry.ts'
import { MAX_KEPT_BYTES, type KeptAnswer } from '../ledger/ledger.ts'
import { formatUsd, parseUsd } from '../money.ts'
import type { Completion, CompletionHead } from './call.ts'

/** Told once when the answer has ended; `undefined` when it broke off, was left, or is too large to be kept. */
export type Keep = (answer: KeptAnswer | undefined, failure?: unknown) => Promise<void>

/** Lets the answer pass and keeps what passed. */
export function recordAnswer(completion: Completion, keep: Keep): Completion {
  const { answer, head } = completion
  if (answer.lane === 'native' && answer.body instanceof Uint8Array) {
    const { body, status, headers } = answer
    const kept = body.byteLength > MAX_KEPT_BYTES ? undefined : keptAnswer(head, 'native', status, body, contentType(headers))
    const closed = completion.closed.then(async (summary) => {
      await keep(kept)
      return summary
    })
    return { ...completion, closed }
  }
  const copy = createCopy()
  if (answer.lane === 'native') {
    const { status, headers } = answer
    const whole = () => copy.whole((body) => keptAnswer(head, 'native', status, body, contentType(headers)))
    const body = passing(answer.body as AsyncIterable<Uint8Array>, copy.add, (isWhole, failure) =>
      keep(isWhole ? whole() : undefined, failure),
    )
    return { ...completion, answer: { ...answer, body } }
  }
  const lines = (seen: readonly CompletionPart[]) => {
    copy.add(Buffer.from(seen.map((part) => `${JSON.stringify(part)}\n`).join('')))
    // Nothing comes after it: whoever puts the parts together reads no further.
    return seen.some(({ type }) => type === 'finish')
  }
  const whole = () => copy.whole((body) => keptAnswer(head, 'translate', 200, body, 'application/x-ndjson'))
  const parts = passing(answer.parts, lines, (isWhole, failure) => keep(isWhole ? whole() : undefined, failure))
  return { ...completion, answer: { ...answer, parts } }
}

type Copy = { add(piece: Uint8Array): void; whole(make: (body: Uint8Array) => KeptAnswer): KeptAnswer | undefined }

function createCopy(): Copy {
  const pieces: Uint8Array[] = []
  let size = 0
  return {
    add(piece) {
      size += piece.length
      if (size <= MAX_KEPT_BYTES) pieces.push(piece)
    },
    whole: (make) => (size > MAX_KEPT_BYTES ? undefined : make(Buffer.concat(pieces))),
  }
}

/** Looks at each item that passes, whether it is the last, and says once how it ended: whole, or left or broken off. */
function passing<T>(
  source: AsyncIterable<T>,
  look: (item: T) => boolean | void,
  end: (isWhole: boolean, failure: unknown) => Promise<void>,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = source[Symbol.asyncIterator]()
      let ended = false
      let isWhole = false
      const finish = async (failure?: unknown) => {
        if (ended) return
        ended = true
        await end(isWhole, failure)
      }
      return {
        async next() {
          try {
            const step = await inner.next()
            if (step.done === true) {
              isWhole = true
              await finish()
            } else if (look(step.value) === true) isWhole = true
            return step
          } catch (error) {
            isWhole = false
            await finish(error)
            throw error
          }
        },
        async return(value?: unknown) {
          await inner.return?.()
          await finish()
          return { done: true as const, value }
        },
      }
    },
  }
}

function contentType(headers: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const value = headers['content-type']
  return typeof value === 'string' ? value : 'application/json'
}

function keptAnswer(head: CompletionHead, lane: string, status: number, body: Uint8Array, type: string): KeptAnswer {
  const { costUsd, ...plain } = head
  const shown = JSON.stringify({ ...plain, ...(costUsd === undefined ? {} : { costUsd: formatUsd(costUsd) }) })
  return { status, headers: { lane, head: shown, 'content-type': type }, body }
}

/** Gives a kept answer as if it came now; it costs nothing. */
export function replayAnswer(kept: KeptAnswer): Completion {
  const { lane, head: headText = '{}', 'content-type': type = 'application/json' } = kept.headers
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

async function* readParts(body: Uint8Array): AsyncGenerator<readonly CompletionPart[]> {
  const lines = Buffer.from(body)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
  if (lines.length > 0) yield lines.map((line) => parseJson(line) as CompletionPart)
}

function readHead(text: string): CompletionHead {
  const value = parseJson(text)
  if (!isRecord(value)) throw new RouteplaneError('internal', 'a kept answer has no head')
  const { costUsd, ...head } = value
  return { ...head, ...(typeof costUsd === 'string' ? { costUsd: parseUsd(costUsd) } : {}), replayed: true } as CompletionHead
}

/** Of an answer that nobody can be given again: it broke off, was left, or was too large. */
export function lostError(head: CompletionHead): RouteplaneError {
  const paid = head.receiptId !== undefined
  return new RouteplaneError('answer_lost', 'the first answer to this request broke off or was too large to be kept', {
    money: paid ? 'signed' : 'untouched',
    hint: paid
      ? `See receipt ${head.receiptId}; a new request, under a new key if it has one, is asked and paid again.`
      : 'Use a new key to ask again.',
  })
}

/**
 * The process that was answering died. If it had come as far as a signature, its answer is lost but its payment is not.
 *
 * @param askAgain - How its caller asks for another: the beginning of a sentence.
 * @throws RouteplaneError `answer_lost` with what became of the money.
 */
export function refuseIfPaid(attempts: readonly AttemptRow[], askAgain: string): void {
  // A hold for an invoice is a debt already: its call may have been answered.
  const paid = attempts.find(({ state, payment, mode }) => state !== 'released' && (payment !== undefined || mode === 'invoice'))
  if (paid === undefined) return
  throw new RouteplaneError('answer_lost', `an earlier process took this request and may have paid (${paid.state}); its answer is lost`, {
    money: paid.state === 'settled' ? 'settled' : 'unknown',
    hint: `See receipt ${paid.id}; ${askAgain} to ask and pay again.`,
    details: { attemptId: paid.id },
  })
}

const ERROR = 'error'

/** A failure in the form of an answer, so that it is kept like one. */
export function keptError(error: RouteplaneError): KeptAnswer {
  const { code, message, money, hint, details } = error
  const body = Buffer.from(JSON.stringify({ code, message, money, hint, details }))
  return { status: 424, headers: { lane: ERROR }, body }
}

/** Gives a kept answer, or throws the kept error, as if it came now. */
export function replay(kept: KeptAnswer): Completion {
  if (kept.headers['lane'] === ERROR) throw readError(kept.body)
  return replayAnswer(kept)
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
