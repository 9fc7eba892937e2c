/** The protocol's own inspector, as a person would use it: it lists, reads and calls over both transports, and finds nothing to mend. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { programOf } from '../support/program.ts'
import { canRun, run } from './conformance/referee.ts'
import { type McpServed, serveMcp } from './http-server.ts'
import { TOKEN } from '../http/support.ts'

const INSPECTOR = '@modelcontextprotocol/inspector@2.12.0'
const FETCHING_MS = 180_000
const ASKING_MS = 90_000

describe('the inspector', () => {
  const state: { canRun: boolean; served?: McpServed } = { canRun: false }
  beforeAll(async () => {
    state.canRun = await canRun(INSPECTOR, 'mcp-inspector --cli')
    if (state.canRun) state.served = await serveMcp()
  }, FETCHING_MS)
  afterAll(() => state.served?.close())

  const ask = async (target: string, words: string) => {
    const { code, output } = await run(INSPECTOR, `mcp-inspector --cli ${target} ${words}`)
    expect(code, output).toBe(0)
    return output
  }

  it(
    'has nothing to say against our tools, and calls them',
    async () => {
      if (!state.canRun) return
      const stdio = `${process.execPath} ${programOf('test/mcp/stdio-server.ts')}`
      const http = `${state.served?.url} --transport http --header "Authorization: Bearer ${TOKEN}"`
      const input = JSON.stringify({ model: 'acme/a', prompt: 'hi', max_cost_usd: '0.01' })
      const [overStdio, overHttp, called] = await Promise.all([
        ask(stdio, '--method tools/list --strict'),
        ask(http, '--method tools/list --strict'),
        ask(http, `--method tools/call --tool-name complete --tool-args-json '${input}' --format json`),
      ])
      for (const listed of [overStdio, overHttp]) {
        for (const name of ['list_models', 'complete', 'set_preset']) expect(listed).toContain(`"${name}"`)
      }
      expect(called).toContain('0xabc')
    },
    ASKING_MS,
  )
})
