/** What coding agents have been recorded to send, put before providers of every wire: the loop closes without the agents. */
import { readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { protocols } from '../../src/protocol/index.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { from, summarise, type Expected } from '../support/fixtures.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { agents } from './agents.ts'
import { playCodingModel, TOKEN, type Seen } from './coding-model.ts'
import { collectParts } from '../support/parts.ts'

type Recorded = { readonly path: string; readonly headers: Readonly<Record<string, string>>; readonly body: unknown }

const recordedIn = (id: string): readonly Recorded[] =>
  JSON.parse(readFileSync(new URL(`../fixtures/agents/${id}.json`, import.meta.url), 'utf8')) as readonly Recorded[]

const cells = agents.flatMap((agent) => protocols.map(({ id }) => [agent.id, id, agent] as const))

/** What an agent reads out of an answer of its wire. */
async function readAnswer(wire: ProtocolId, response: Response): Promise<Expected> {
  const own = protocols.find(({ id }) => id === wire)?.upstream
  if (own === undefined || response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return summarise(await collectParts(own.decodeStream(from([new Uint8Array(await response.arrayBuffer())]))))
}

describe('two recorded requests', () => {
  it.each(cells)('of %s close the loop with a model on %s', async (id, wire, agent) => {
    const call = agent.call({ home: '/home', project: '/home/project', url: '', model: '' })
    const seen: Seen[] = []
    const upstream = await startUpstream(playCodingModel(wire, call, (back) => seen.push(back)))
    onTestFinished(() => upstream.close())
    const gateway = await startGateway([{ id: 'coder', baseUrl: `${upstream.url}/v1`, wires: [wire], models: ['{ id: coding/model }'] }])
    onTestFinished(() => gateway.close())
    const ask = ({ path, headers, body }: Recorded) =>
      fetch(gateway.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
    const [first, second] = recordedIn(id)
    if (first === undefined || second === undefined) throw new Error(`${id} has no two requests`)

    const asked = await readAnswer(agent.wire, await ask(first))
    expect(asked).toMatchObject({ text: 'Looking.', thought: 'The file has it.', finish: ['tool_calls'] })
    expect(asked.calls).toEqual([[expect.any(String), call.name, 'args' in call ? JSON.stringify(call.args) : call.text]])
    expect(await readAnswer(agent.wire, await ask(second))).toMatchObject({ text: 'The file says: amber-0123456789ab', finish: ['stop'] })
    // The thought was signed by a provider of the agent's own wire, and goes to nobody else.
    expect(seen.map(({ token }) => token)).toEqual([wire === agent.wire ? TOKEN : undefined])
  })
})
