/** Writes a streamed answer straight to the socket: one write a read, at the caller's pace, with keep-alive comments. */
import type { ServerResponse } from 'node:http'
import { createBodyWriter } from './chunked-coding.ts'
import type { KeepAlive } from './keep-alive.ts'
import type { ResponseHeaders } from './response-headers.ts'

export type EventWriter = {
  /** Sets what the answer will be headed with; without effect once bytes have left. */
  head(status: number, headers: ResponseHeaders, isEventStream: boolean): void
  /** Whether anything, a keep-alive comment included, has been written. */
  started(): boolean
  /** Writes one piece at once, or at the end of the tick with others of the same read. @returns `false`, now or after the wait for a slow caller, when nobody reads any more. */
  write(piece: Uint8Array | string): boolean | Promise<boolean>
  /** Writes all there is and ends the answer; for an answer that is no stream. Waits, as `write` does, for a slow caller. */
  whole(body: Uint8Array): boolean | Promise<boolean>
  /** Ends the stream with an error event in the caller's wire; on another kind of stream the connection is cut. */
  fail(event: string): void
  end(): void
  /** Ends the watch for silence; has to be called however the exchange ends. */
  stop(): void
}

export type EventWriterOptions = {
  readonly keepAlive: KeepAlive
  /** Milliseconds after which a caller that takes nothing is given up. */
  readonly stallMs: number
  /** What to commit when silence comes before the answer; absent when a comment could not stand in the answer. */
  readonly earlyHeaders?: () => ResponseHeaders
}

/** Events that wait for the tick's end never grow beyond this: what makes them may be faster than any network. */
const MAX_GATHERED_CHARACTERS = 64 * 1024

/** A comment is an event of its own, for parsers that drop an event with a comment glued to it. @see HTML, "Server-sent events", 9.2.5 */
const COMMENT = ': keep-alive\n\n'

export function createEventWriter(outgoing: ServerResponse, options: EventWriterOptions): EventWriter {
  let status = 200
  let headers: ResponseHeaders | undefined
  let isEventStream = options.earlyHeaders !== undefined
  let tail: Uint8Array | string = ''
  let gathered = ''
  const body = createBodyWriter(outgoing)

  const commit = () => {
    if (!outgoing.headersSent) body.head(status, headers ?? options.earlyHeaders?.())
  }
  /** Events that were made of one read leave in one write; none waits longer than for the end of the tick. */
  const flush = (): void => {
    const text = gathered
    gathered = ''
    if (!outgoing.destroyed) body.write(text)
  }
  const gather = (text: string): void => {
    if (gathered === '') process.nextTick(flush)
    gathered += text
    if (gathered.length >= MAX_GATHERED_CHARACTERS) flush()
  }
  const breakSilence = () => {
    if (!isEventStream || outgoing.destroyed || outgoing.writableNeedDrain || !endsEvent(tail)) return
    commit()
    body.write(COMMENT)
  }
  let watch = isEventStream ? options.keepAlive.watch(breakSilence) : undefined

  return {
    head: (newStatus, newHeaders, newIsEventStream) => {
      if (outgoing.headersSent) return
      status = newStatus
      headers = newHeaders
      isEventStream = newIsEventStream
      if (isEventStream) watch ??= options.keepAlive.watch(breakSilence)
    },
    started: () => outgoing.headersSent,
    write: (piece) => {
      if (outgoing.destroyed) return false
      watch?.touch()
      commit()
      tail = piece.length >= 4 ? piece : joinTail(tail, piece)
      if (typeof piece === 'string') gather(piece)
      else {
        flush()
        body.write(piece)
      }
      return !outgoing.writableNeedDrain || drained(outgoing, options.stallMs)
    },
    whole: (answer) => {
      watch?.stop()
      if (outgoing.destroyed) return false
      commit()
      outgoing.end(answer)
      return outgoing.writableLength === 0 || finished(outgoing, options.stallMs)
    },
    fail: (event) => {
      watch?.stop()
      if (outgoing.destroyed) return
      flush()
      // Ending the connection without the last chunk is the only way left to say that such an answer is not whole.
      if (!isEventStream) return outgoing.socket?.destroySoon()
      commit()
      body.write(endsEvent(tail) ? event : `\n\n${event}`)
      body.end()
    },
    end: () => {
      watch?.stop()
      if (outgoing.destroyed) return
      commit()
      flush()
      body.end()
    },
    stop: () => watch?.stop(),
  }
}

function joinTail(tail: Uint8Array | string, piece: Uint8Array | string): string {
  return Buffer.from(tail.slice(-4)).toString('latin1') + Buffer.from(piece).toString('latin1')
}

/** Whether a blank line was the last thing written, so that an event of our own splits nobody else's. */
function endsEvent(tail: Uint8Array | string): boolean {
  if (tail.length === 0) return true
  return /(?:\n\n|\r\r|\r\n\r\n)$/.test(Buffer.from(tail.slice(-4)).toString('latin1'))
}

/** Waits until a slow caller has taken what was written; gives him up after `stallMs`. */
const drained = (outgoing: ServerResponse, stallMs: number) => taken(outgoing, 'drain', stallMs)

const finished = (outgoing: ServerResponse, stallMs: number) => taken(outgoing, 'finish', stallMs)

function taken(outgoing: ServerResponse, event: 'drain' | 'finish', stallMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (open: boolean) => {
      clearTimeout(timer)
      outgoing.off(event, onTaken)
      outgoing.off('close', onClose)
      resolve(open)
    }
    const onTaken = () => settle(true)
    const onClose = () => settle(false)
    const timer = setTimeout(() => {
      outgoing.destroy()
      settle(false)
    }, stallMs).unref()
    outgoing.once(event, onTaken)
    outgoing.once('close', onClose)
  })
}
