/** The MCP server before the protocol's own referees: with what they ask servers to offer for the test, and as it is. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PlayedGateway, startGateway } from '../support/gateway.ts'
import { addFixtures } from './conformance/fixtures.ts'
import { requestState } from './conformance/input-fixtures.ts'
import { canRun, run } from './conformance/referee.ts'

/** Which scenarios fail without fixtures; a scenario that passes all the same makes its line stale, and the run fail. */
const baseline = (name: string) => fileURLToPath(new URL(`./conformance/${name}.yml`, import.meta.url))

const referees = [
  {
    name: '@modelcontextprotocol/conformance@0.1.16',
    suites: ['--suite all'],
    bare: '--suite active',
    expected: baseline('expected-2025'),
  },
  {
    name: '@modelcontextprotocol/conformance@0.2.0-alpha.12',
    suites: ['--requirements 2025-11-25', '--requirements 2026-07-28'],
    bare: '--requirements 2026-07-28',
    expected: baseline('expected-2026'),
  },
] as const

const FETCHING_MS = 180_000
const JUDGING_MS = 90_000

describe.each(referees)('$name', ({ name, suites, bare, expected }) => {
  const servers: PlayedGateway[] = []
  const state = { canRun: false }
  const start = async (mcp: Parameters<typeof startGateway>[2]) => {
    const gateway = await startGateway([], [], mcp)
    servers.push(gateway)
    // By this name, because one of the checks calls it by another and wants to be refused.
    return `${gateway.url.replace('127.0.0.1', 'localhost')}/mcp`
  }
  beforeAll(async () => {
    state.canRun = await canRun(name, 'conformance')
  }, FETCHING_MS)
  afterAll(async () => void (await Promise.all(servers.map((server) => server.close()))))

  it.each(suites)(
    '%s passes with fixtures',
    async (suite) => {
      if (!state.canRun) return
      const url = await start({ extend: addFixtures, requestState })
      const { code, output } = await run(name, `conformance server --url ${url} ${suite}`)
      expect(code, output).toBe(0)
      expect(output).toMatch(/Total: [1-9]\d{1,} passed/)
      // Not scored, and served by no release of the SDK: the extension for tasks.
      expect(output.match(/^✗ (?!tasks-).*$/gm) ?? []).toEqual([])
    },
    JUDGING_MS,
  )

  it(
    `${bare} fails without fixtures only where it is expected`,
    async () => {
      if (!state.canRun) return
      const url = await start({})
      const { code, output } = await run(name, `conformance server --url ${url} ${bare} --expected-failures ${expected}`)
      expect(code, output).toBe(0)
    },
    JUDGING_MS,
  )
})
