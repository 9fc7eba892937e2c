/** Keeps answers of the Responses wire while they are written, so that their callers can go on from them by id. */
import type { ResponseStore } from './response-store.ts'
import type { Clock } from '../lib/clock.ts'
import { tryParseJson } from '../lib/json.ts'
import type { WireRequest } from '../protocol/protocol.ts'
import { expandPrevious, keepResponse, wantsStored, watchResponse } from './responses-routes.ts'

/** Watches one answer on its way to the caller. */
export type AnswerWatch = {
  push(piece: Uint8Array | string): void
  /** Call once the caller has all of it. Never rejects. */
  end(): Promise<void>
}

export type Keeping = {
  /** The request with the conversation it goes on from in place of its id. @throws RouteplaneError `response_not_found`. */
  readonly wire: WireRequest
  /** Absent when the answer is not to be kept. */
  readonly watch: AnswerWatch | undefined
}

/** Prepares to answer a Responses request out of, and into, the store. */
export async function keepAnswers(store: ResponseStore | undefined, caller: string, given: WireRequest, clock: Clock): Promise<Keeping> {
  const wire = await expandPrevious(store, caller, given)
  if (!wantsStored(store, wire)) return { wire, watch: undefined }
  const isStream = wire.json['stream'] === true
  const events = watchResponse()
  const pieces: Uint8Array[] = []
  const response = () => (isStream ? events.end() : tryParseJson(Buffer.concat(pieces).toString('utf8')))
  return {
    wire,
    watch: {
      push: (piece) => {
        if (isStream) events.push(piece)
        else pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece)
      },
      // What cannot be kept is only forgotten: the caller has his answer, and may send the whole conversation.
      end: () => keepResponse(store, caller, wire, response(), clock.now()).catch(() => {}),
    },
  }
}
