/** Every feature of every caller's wire, said on every other: what changes on the way is declared as a loss. */
import { describe, expect, it } from 'vitest'
import type { Protocol } from '../../src/protocol/protocol.ts'
import { protocols } from '../../src/protocol/index.ts'
import { matrixRows, paths, type Json } from './matrix-rows.ts'
import { translateCase, wireOf } from './matrix-table.ts'
import { undeclared } from './neutral-difference.ts'

/** Where an encoded request would be read back. */
function readBack(upstream: Protocol, path: string, body: Json) {
  const wire = wireOf(upstream.id, body, upstream.id === 'generate_content' ? `/v1beta${path.split('?')[0]}` : paths[upstream.id])
  upstream.caller.read(wire)
  return upstream.caller.decodeRequest(wire)
}

const pairs = protocols.flatMap((caller) => protocols.filter(({ id }) => id !== caller.id).map((upstream) => ({ caller, upstream })))
const cases = pairs.flatMap(({ caller, upstream }) =>
  matrixRows.flatMap(({ id, cases: { [caller.id]: members } }) => (members === undefined ? [] : [{ caller, upstream, id, members }])),
)

describe(`${cases.length} translated requests`, () => {
  it.each(cases.map((each) => [each.caller.id, each.upstream.id, each.id, each] as const))(
    'from %s to %s change nothing about %s that is not declared',
    (_caller, _upstream, _id, { caller, upstream, members }) => {
      const { request, encoded } = translateCase(caller, upstream, members)
      if (encoded.losses.some(({ action }) => action === 'refused')) return
      const after = readBack(upstream, encoded.path, JSON.parse(JSON.stringify(encoded.body)) as Json)
      expect(undeclared(request, after, encoded)).toEqual([])
    },
  )
})

describe('the comparison', () => {
  const [chat] = protocols
  const { request } = translateCase(chat, chat, matrixRows.find(({ id }) => id === 'tool_result')?.cases.chat_completions ?? {})
  const silent = { path: '', body: {}, losses: [], restore: {} }

  it('finds nothing in the same request', () => {
    expect(undeclared(request, request, silent)).toEqual([])
  })

  it.each<readonly [string, Partial<typeof request>]>([
    ['system', { system: [{ text: 'Be brief.', role: 'system' }] }],
    ['turns', { turns: request.turns.slice(1) }],
    ['tools', { tools: [] }],
    ['stop', { stop: ['END'] }],
    ['maxOutputTokens', { maxOutputTokens: 7 }],
    ['seed', { sampling: { seed: 1 } }],
    ['output', { output: { kind: 'json' } }],
    ['reasoning', { reasoning: { effort: 'low' } }],
    ['account', { account: { user: 'u' } }],
  ])('finds a silent change of %s', (aspect, change) => {
    expect(undeclared(request, { ...request, ...change }, silent)).toEqual([expect.stringMatching(`^${aspect}: `)])
  })
})
