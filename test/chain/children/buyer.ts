/** What the children of the chain suites share: an engine on the files of a world, asked without HTTP between. */
import { loadConfig } from '../../../src/config/load.ts'
import { toRouteplaneError } from '../../../src/errors.ts'
import type { Completion, Progress } from '../../../src/gateway/call.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createId } from '../../../src/lib/id.ts'
import { chatCompletions } from '../../../src/protocol/chat-completions/index.ts'
import { createRouteplane, type Routeplane } from '../../../src/routeplane.ts'

export type Bought = { readonly requestId: string; readonly code: string; readonly money: string }

/** Opens the engine that the first argument's config describes. */
export async function openBuyer(): Promise<Routeplane> {
  const [, , file = ''] = process.argv
  const routeplane = await createRouteplane(await loadConfig({ file }))
  await routeplane.ready()
  return routeplane
}

/** Asks one question, reads the answer to its end and waits until it is recorded; an error is an outcome like any other. */
export async function buy(routeplane: Routeplane, onProgress: (progress: Progress) => void = () => {}, stream = false): Promise<Bought> {
  const json = { model: 'demo/echo:cost', messages: [{ role: 'user', content: 'how are you today?' }], max_tokens: 20, stream }
  const headers = { 'content-type': 'application/json' }
  const wire = { body: Buffer.from(JSON.stringify(json)), json, path: '/v1/chat/completions', query: new URLSearchParams(), headers }
  const { caller, id } = chatCompletions
  const requestId = createId('req', systemClock.now())
  try {
    const completion = await routeplane.complete({
      id: requestId,
      caller: 'local',
      read: caller.read(wire),
      wire: { protocol: id, request: wire },
      decode: () => caller.decodeRequest(wire),
      signal: new AbortController().signal,
      onProgress,
    })
    for await (const _ of bodyOf(completion));
    await completion.closed
    return { requestId, code: 'ok', money: 'settled' }
  } catch (thrown) {
    const { code, money } = toRouteplaneError(thrown)
    return { requestId, code, money }
  }
}

/** What is left to read of an answer: nothing, unless it is a stream. */
function bodyOf({ answer }: Completion): AsyncIterable<unknown> | readonly unknown[] {
  if (answer.lane === 'translate') return answer.parts
  return answer.body instanceof Uint8Array ? [] : answer.body
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
