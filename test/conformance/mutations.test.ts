/** Recorded streams broken in every way that the list of mutations has: nothing but our own errors, and one end for every caller. */
import { describe, expect, it } from 'vitest'
import { createOrderCheck } from '../../src/completion/order.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import type { Usage } from '../../src/completion/usage.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { protocols } from '../../src/protocol/index.ts'
import type { Protocol, ProtocolId } from '../../src/protocol/protocol.ts'
import { cut, from, streamFixtures } from '../support/fixtures.ts'
import { wireOf } from './matrix-table.ts'
import { paths } from './matrix-rows.ts'
import { mutations, randomOf } from './mutations.ts'
import { collectEvents, collectParts, oneByOne } from '../support/parts.ts'

/** More of them find more: `MUTATION_SEEDS=50 npx vitest run test/conformance/mutations.test.ts`. */
const SEEDS = Number(process.env['MUTATION_SEEDS'] ?? 1)

const user = [{ role: 'user', content: 'hi' }]
const bodies: Readonly<Record<ProtocolId, Readonly<Record<string, unknown>>>> = {
  chat_completions: { model: 'm', stream: true, stream_options: { include_usage: true }, messages: user },
  responses: { model: 'm', stream: true, input: 'hi' },
  messages: { model: 'm', stream: true, max_tokens: 9, messages: user },
  generate_content: { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
}

function countsIn(usage: Usage | undefined): readonly number[] {
  return Object.values(usage ?? {}).filter((value) => typeof value === 'number')
}

/** What is wrong with the parts of an answer; nothing, however broken it is. */
function wrongWith(parts: readonly CompletionPart[]): readonly string[] {
  const check = createOrderCheck()
  const disorder = parts.flatMap((part) => check(part) ?? [])
  const ends = parts.filter(({ type }) => type === 'finish' || type === 'error')
  const usages = parts.flatMap((part) => (part.type === 'usage' || part.type === 'finish' ? countsIn(part.usage) : []))
  const last = parts.at(-1)
  return [
    ...disorder,
    ...(ends.length === 1 && ends[0] === last ? [] : [`${ends.length} ends`]),
    ...usages.filter((count) => !Number.isSafeInteger(count) || count < 0).map((count) => `a usage of ${count}`),
    ...(last?.type === 'error' && (!(last.error instanceof RouteplaneError) || last.error.code === 'internal') ? [last.error.message] : []),
  ]
}

/** Writes the parts for a caller, and reads what he would. */
async function shown(parts: readonly CompletionPart[], { id, caller, upstream }: Protocol): Promise<CompletionPart | undefined> {
  const wire = wireOf(id, bodies[id], id === 'generate_content' ? '/v1beta/models/m:streamGenerateContent' : paths[id])
  const request = caller.decodeRequest({ ...wire, query: new URLSearchParams('alt=sse') })
  const written = await collectEvents(caller.encodeStream(oneByOne(parts), { requestId: 'req_1', model: 'm', nowSeconds: 1, request }))
  return (await collectParts(upstream.decodeStream(from([Buffer.from(written.join(''))])))).at(-1)
}

/** A finish that some wires can only show as an error. */
const UNSHOWABLE = ['malformed_tool_call', 'error']

function wrongEnd(own: CompletionPart | undefined, seen: CompletionPart | undefined): readonly string[] {
  if (own?.type === seen?.type) return []
  if (own?.type === 'finish' && UNSHOWABLE.includes(own.finishes[0]?.reason ?? '')) return []
  return [`${own?.type} is shown as ${seen?.type}`]
}

/** The tap sees what the native lane passes on: it may miss what it does not read, and must neither throw nor make up counts. */
function wrongTap({ upstream }: Protocol, bytes: Uint8Array): readonly string[] {
  const tap = upstream.createTap()
  tap.push(bytes)
  const { error, usage } = tap.end()
  const filter = upstream.createUsageFilter()
  filter.push(bytes)
  filter.end()
  const counts = countsIn(usage).filter((count) => !Number.isSafeInteger(count) || count < 0)
  return [...counts.map((count) => `the tap read a usage of ${count}`), ...(error?.code === 'internal' ? [error.message] : [])]
}

describe.each(protocols.map((protocol) => [protocol.id, protocol] as const))('a stream of %s', (id, protocol) => {
  const fixtures = streamFixtures(id.replace('_', '-')).filter(({ bytes }) => bytes.length > 0 && bytes.length < 100_000)

  it.each(Object.entries(mutations).map(([name, mutate], turn) => [name, mutate, turn] as const))(
    'with %s',
    async (_name, mutate, turn) => {
      const found: string[] = []
      for (const [at, { name, bytes }] of fixtures.entries()) {
        for (let seed = 0; seed < SEEDS; seed++) {
          // With one seed each fixture is broken in every other way, which takes half the time.
          if (SEEDS === 1 && (at + turn) % 2 === 1) continue
          const random = randomOf(at * 1_009 + seed)
          const broken = mutate(Buffer.from(bytes), random)
          const parts = await collectParts(protocol.upstream.decodeStream(from(cut(broken, [random(broken.length + 1)]))))
          const caller = protocols[(at + seed) % protocols.length] ?? protocol
          const wrong = [...wrongWith(parts), ...wrongTap(protocol, broken), ...wrongEnd(parts.at(-1), await shown(parts, caller))]
          found.push(...wrong.map((problem) => `${name}, seed ${seed}, for ${caller.id}: ${problem}`))
        }
      }
      expect(found).toEqual([])
    },
  )
})
