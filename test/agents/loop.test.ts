/** Coding agents run a whole tool loop through the gateway, whichever wire the provider of their model speaks. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { protocols } from '../../src/protocol/index.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'
import { agents, codex, PATCHED_FILE, patchOf, type Agent, type Workplace } from './agents.ts'
import { playCodingModel, TOKEN, type AskedCall, type Seen } from './coding-model.ts'
import { installedFolder } from './installed.ts'
import { openWorkplace, runAgent, type Ran } from './run.ts'

/** Those that npm gives us; what they have said before is tried in recorded.test.ts in any case. */
const installed = new Map<Agent, string>()
for (const agent of agents) {
  const folder = await installedFolder(agent)
  if (folder === undefined) break
  installed.set(agent, folder)
}
if (installed.size < agents.length) {
  process.stderr.write(
    'NOT RUN: coding agents themselves; ROUTEPLANE_TEST_AGENTS=1 fetches them (770 MB). What they have sent is tried all the same.\n',
  )
}
const wires = protocols.map(({ id }) => id)
const cells = [...installed].flatMap(([agent, folder]) => wires.map((wire) => [agent.id, wire, agent, folder] as const))
const patching = [...installed].filter(([agent]) => agent === codex).flatMap(([, folder]) => wires.map((wire) => [wire, folder] as const))

type Loop = { readonly ran: Ran; readonly place: Workplace; readonly seen: readonly Seen[]; readonly secret: string }

async function runLoop(
  agent: Agent,
  folder: string,
  wire: ProtocolId,
  model: string,
  callOf: (place: Workplace) => AskedCall,
): Promise<Loop> {
  const secret = `amber-${randomBytes(6).toString('hex')}`
  const seen: Seen[] = []
  const upstream = await startUpstream((request) => playCodingModel(wire, callOf(place), (back) => seen.push(back))(request))
  onTestFinished(() => upstream.close())
  const gateway = await startGateway([{ id: 'coder', baseUrl: `${upstream.url}/v1`, wires: [wire], models: [`{ id: ${model} }`] }])
  onTestFinished(() => gateway.close())
  const place = openWorkplace(gateway.url, model, secret)
  return { ran: await runAgent(agent, folder, place), place, seen, secret }
}

describe(`${installed.size} agents before ${wires.length} wires`, () => {
  it('knows each agent by an exact version, so that it is the one that was recorded', () => {
    for (const { id, version } of agents) expect([id, version]).toEqual([id, expect.stringMatching(/^\d+\.\d+\.\d+$/)])
  })

  it.each(cells)('%s runs the tool that a model on %s asks for, and the thought finds its way back', async (_id, wire, agent, folder) => {
    verifies('models.protocol.across')
    const { ran, seen, secret } = await runLoop(agent, folder, wire, 'coding/model', agent.call)
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.output).toContain(secret)
    expect(seen).toEqual([{ result: expect.stringContaining(secret) as unknown, token: TOKEN }])
  })

  it.each(patching)('a free-form tool of codex is used by a model on %s', async (wire, folder) => {
    // The agent offers this tool to models that it knows.
    const { ran, place, seen } = await runLoop(codex, folder, wire, 'gpt-5.5', () => ({
      name: 'apply_patch',
      text: patchOf('made of stone'),
    }))
    expect(ran).toMatchObject({ code: 0 })
    expect(readFileSync(join(place.project, PATCHED_FILE), 'utf8')).toBe('made of stone\n')
    expect(seen).toEqual([{ result: expect.stringContaining('Success') as unknown, token: TOKEN }])
  })
})
