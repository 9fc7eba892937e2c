/** Lets an answer go on as far as its payer's vouchers reach, and asks him for the next between two events of the stream. */
import { RouteplaneError } from '../../../errors.ts'
import type { Clock } from '../../../lib/clock.ts'
import { encodeSseEvent } from '../../../lib/sse.ts'
import type { Atomic } from '../../../money.ts'
import type { Through } from '../../till.ts'
import { isUsable, type PaidChannel, type PaidChannels } from './channels.ts'

export type MeterOptions = {
  readonly channels: PaidChannels
  readonly channel: string
  /** Key of the sale's payment. */
  readonly sale: string
  /** Base units: what is asked before the first event, for each event after it, and at most. */
  readonly first: Atomic
  readonly perEvent: Atomic
  readonly most: Atomic
  readonly clock: Clock
}

export type Meter = {
  /** Sees to it that so much of the sale is promised. @returns `false` when the payer does not promise it in time. */
  cover(amount: Atomic): Promise<boolean>
  /** Says that the sale is charged: nothing is set aside for it any more. */
  charged(): void
  /** Gives a stream of events on, at the pace of the vouchers. @throws RouteplaneError `payment_required` when they do not come. */
  through: Through
}

/** How long a voucher may take. */
const PATIENCE_MS = 20_000
/** A voucher is asked for what is needed and this part of the whole more, so that not every token waits for one. */
const STEPS = 8n

export function createMeter(options: MeterOptions): Meter {
  const { channels, channel: id, sale, first, perEvent, most, clock } = options
  const mail = createMail()
  let covered = first
  let asked = 0n
  let isShort = false
  const left = new AbortController()

  const cover = async (amount: Atomic): Promise<boolean> => {
    if (amount <= covered) return true
    const until = clock.monotonic() + PATIENCE_MS
    for (;;) {
      const { channel, missing } = await channels.reserve(id, sale, amount, clock.now())
      if (missing === 0n) {
        covered = amount
        return true
      }
      const leftMs = until - clock.monotonic()
      if (left.signal.aborted || !isUsable(channel) || leftMs <= 0) break
      const required = channel.highestVoucherAmount + missing
      if (required > asked) {
        asked = required
        mail.post(demandOf(channel, required, roomAbove(amount)))
      }
      await channels.changed(id, AbortSignal.any([left.signal, AbortSignal.timeout(Math.ceil(leftMs))]))
    }
    isShort = true
    mail.wake()
    return false
  }
  const roomAbove = (amount: bigint) => (amount + most / STEPS <= most ? most / STEPS : most - amount)

  return {
    cover,
    charged: () => void (covered = most),
    async *through(events, signal) {
      let seen = 0n
      const leave = () => {
        left.abort()
        mail.wake()
      }
      signal.addEventListener('abort', leave, { once: true })
      const source = wholeEvents(events)[Symbol.asyncIterator]()
      try {
        let next = source.next()
        for (;;) {
          // The end of an answer waits upstream of here until it is paid for: what is asked meanwhile must get out.
          const step = await Promise.race([next, mail.arrived()])
          yield* mail.take()
          if (signal.aborted) return
          if (isShort) throw short()
          if (step === undefined) continue
          if (step.done === true) return
          const wanted = (first + perEvent * seen) as Atomic
          if (step.value.isCounted) seen++
          const covering = cover(wanted < most ? wanted : most)
          for (let isOver = false; !isOver;) {
            isOver = await Promise.race([covering.then(() => true), mail.arrived().then(() => false)])
            yield* mail.take()
          }
          if (signal.aborted) return
          if (isShort) throw short()
          yield step.value.bytes
          next = source.next()
        }
      } finally {
        signal.removeEventListener('abort', leave)
        left.abort()
        await source.return?.(undefined)
      }
    },
  }
}

/** @see https://paymentauth.org (draft-tempo-session), "payment-need-voucher" */
function demandOf({ channelId, highestVoucherAmount, deposit }: PaidChannel, required: bigint, room: bigint): string {
  // What lies in the channel may just be enough: then it need not be filled for the sake of fewer vouchers.
  const wished = required + room
  const cumulative = wished <= deposit || required > deposit ? wished : deposit
  return encodeSseEvent({
    event: 'payment-need-voucher',
    data: JSON.stringify({
      acceptedCumulative: highestVoucherAmount.toString(),
      channelId,
      deposit: deposit.toString(),
      requiredCumulative: cumulative.toString(),
    }),
  })
}

function short(): RouteplaneError {
  return new RouteplaneError('payment_required', 'the vouchers do not cover the answer any further; it ends here', {
    hint: 'What was delivered is charged, and nothing else.',
  })
}

/** Events that wait to be written between two others. */
function createMail() {
  const box: string[] = []
  let wake = () => {}
  let bell = new Promise<undefined>(() => {})
  const hang = () => {
    bell = new Promise((resolve) => {
      wake = () => resolve(undefined)
    })
  }
  hang()
  return {
    post(event: string) {
      box.push(event)
      wake()
    },
    wake: () => wake(),
    arrived: () => bell,
    *take() {
      yield* box.splice(0)
      hang()
    },
  }
}

type Whole = { readonly bytes: Uint8Array; readonly isCounted: boolean }

const EVENT_END = /\r?\n\r?\n/g

/** Cuts what comes at the end of each event, for something may have to be written there, and says whether it is more than a comment. */
async function* wholeEvents(pieces: AsyncIterable<string | Uint8Array>): AsyncGenerator<Whole> {
  let rest = ''
  for await (const piece of pieces) {
    // Byte for byte: a character may be cut between two pieces.
    const text = rest + Buffer.from(piece as Uint8Array).toString('latin1')
    let from = 0
    for (const { index, 0: end } of text.matchAll(EVENT_END)) {
      const event = text.slice(from, index + end.length)
      from += event.length
      yield { bytes: Buffer.from(event, 'latin1'), isCounted: /^data:/m.test(event) }
    }
    rest = text.slice(from)
  }
  if (rest !== '') yield { bytes: Buffer.from(rest, 'latin1'), isCounted: false }
}
