/** Every caller's SDK before every recorded stream of every provider's wire, through a whole gateway. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { protocols } from '../../src/protocol/index.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import type { Upstream } from '../support/upstream.ts'
import { expectedView, withoutStandIns } from './expected-view.ts'
import { playStreams, recordingsOf, type Recording } from './replay.ts'
import { sdkCallers, type View } from './sdk-callers.ts'

const recorded = new Map(await Promise.all(protocols.map(async (protocol) => [protocol.id, await recordingsOf(protocol)] as const)))
const idOf = (wire: string): string => wire.replace('_', '-')

let gateway: PlayedGateway
const upstreams: Upstream[] = []

beforeAll(async () => {
  const providers = await Promise.all(
    protocols.map(async ({ id }) => {
      const upstream = await playStreams(recorded.get(id) ?? [])
      upstreams.push(upstream)
      return { id: idOf(id), baseUrl: `${upstream.url}/v1`, wires: [id] }
    }),
  )
  gateway = await startGateway(providers)
})

afterAll(async () => {
  await gateway.close()
  await Promise.all(upstreams.map((upstream) => upstream.close()))
})

const cells = protocols.flatMap((upstream) =>
  protocols.flatMap((caller) =>
    (recorded.get(upstream.id) ?? []).map((recording) => ({ caller: caller.id, upstream: upstream.id, recording })),
  ),
)
const translated = cells.filter(({ caller, upstream }) => caller !== upstream)

/** An id that the provider did not give is the gateway's to make, and calls that came interleaved may end in another order. */
function comparable(found: View, wanted: View, { neutral }: Recording): View {
  const usage = wanted.usage === undefined ? undefined : known(found.usage, wanted.usage)
  const text = neutral === undefined ? found.text : withoutStandIns(found.text, neutral)
  const calls = inOrderOf(wanted.calls, found.calls).map(([id, ...rest], at) => [wanted.calls[at]?.[0] ?? id, ...rest] as const)
  return { ...found, text, usage, calls }
}

function inOrderOf(wanted: View['calls'], found: View['calls']): View['calls'] {
  const placeOf = (id: string): number => wanted.findIndex((call) => call[0] === id)
  return found.every(([id]) => placeOf(id) >= 0) ? found.toSorted((a, b) => placeOf(a[0]) - placeOf(b[0])) : found
}

/** Counts that nobody gave may be shown as zero, where a wire demands a number, or not at all. */
function known(found: View['usage'], wanted: NonNullable<View['usage']>): View['usage'] {
  return Object.fromEntries(Object.entries(wanted).map(([name, count]) => [name, count === undefined ? undefined : found?.[name]]))
}

describe(`${translated.length} streams from ${protocols.length} wires to ${protocols.length - 1} others`, () => {
  it.each(translated.map((cell) => [cell.caller, cell.upstream, cell.recording.name, cell] as const))(
    '%s sees what %s said in %s',
    async (_caller, _upstream, name, { caller, upstream, recording }) => {
      const wanted = recording.neutral === undefined ? undefined : expectedView(recording.neutral, caller)
      const answer = sdkCallers[caller].stream(gateway.url, `${idOf(upstream)}:${name}`)
      if (wanted === undefined) return void (await expect(answer).rejects.toThrow())
      // OpenAI's accumulator of this version knows no custom tools in streams.
      if (caller === 'chat_completions' && hasCustomCall(recording)) return void (await expect(answer).rejects.toThrow('function.name'))
      expect(comparable(await answer, wanted, recording)).toEqual(wanted)
    },
  )
})

function hasCustomCall({ neutral }: Recording): boolean {
  return (
    neutral?.candidates.some(({ content }) => content.some((part) => part.type === 'tool-call' && part.arguments.kind === 'text')) === true
  )
}

/** One that ends in an error before it says anything is never delivered: another provider may do better. */
function isDelivered({ neutral }: Recording): boolean {
  return neutral !== undefined && !neutral.candidates.some(({ finish }) => finish.reason === 'malformed_tool_call')
}

const native = cells.filter(({ caller, upstream, recording }) => caller === upstream && isDelivered(recording))

describe(`${native.length} streams in the caller's own wire`, () => {
  it.each(native.map((cell) => [cell.caller, cell.recording.name, cell] as const))(
    'of %s pass byte for byte: %s',
    async (caller, name, { recording }) => {
      expect(await bytesOf(caller, name)).toBe(Buffer.from(recording.bytes).toString('latin1'))
    },
  )
})

async function bytesOf(caller: Recording['name'], name: string): Promise<string> {
  const model = `${idOf(caller)}:${name}`
  const [path, body] = nativeRequest(caller, model)
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return Buffer.from(await response.arrayBuffer()).toString('latin1')
}

function nativeRequest(caller: string, model: string): readonly [string, unknown] {
  switch (caller) {
    case 'chat_completions': {
      const messages = [{ role: 'user', content: 'hi' }]
      return ['/v1/chat/completions', { model, stream: true, stream_options: { include_usage: true }, messages }]
    }
    case 'responses':
      return ['/v1/responses', { model, stream: true, input: 'hi' }]
    case 'messages':
      return ['/v1/messages', { model, stream: true, max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] }]
    default:
      return [`/v1beta/models/${model}:streamGenerateContent?alt=sse`, { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }]
  }
}
