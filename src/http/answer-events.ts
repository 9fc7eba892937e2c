/** What follows an answer's own events, and their way to the caller. */
import type { GatewayCall, SoldAs } from '../gateway/call.ts'
import type { EventWriter } from './event-writer.ts'

/** The headers are long gone when an answer can be judged; a comment after its last event breaks no reader. */
export async function* withVerdict(events: AsyncIterable<string>, violatesSchema: () => boolean): AsyncGenerator<string> {
  yield* events
  if (violatesSchema()) yield ': x-routeplane-schema: violated\n\n'
}

/** A stream's headers leave before it is paid, so what proves the payment follows in a comment. */
export function paidEvents(
  events: AsyncIterable<string | Uint8Array>,
  sale: SoldAs | undefined,
  { signal }: GatewayCall,
): AsyncIterable<string | Uint8Array> {
  return sale === undefined ? events : withReceipt(sale.through?.(events, signal) ?? events, sale)
}

async function* withReceipt(events: AsyncIterable<string | Uint8Array>, sale: SoldAs): AsyncGenerator<string | Uint8Array> {
  yield* events
  for (const [name, value] of Object.entries(sale.receipt())) yield `: ${name} ${value}\n\n`
}

/** Leaving the loop ends the upstream exchange, so a caller who is gone costs no more tokens. */
export async function pipe(pieces: AsyncIterable<Uint8Array | string>, writer: EventWriter): Promise<void> {
  for await (const piece of pieces) {
    const taken = writer.write(piece)
    if (taken !== true && !(await taken)) return
  }
  writer.end()
}
