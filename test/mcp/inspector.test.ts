/** The protocol's own inspector, as a person would use it: it lists, reads and calls over both transports, and finds nothing to mend. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canRun, run } from './conformance/referee.ts'
import { type McpServed, serveMcp } from './http-server.ts'
import { TOKEN } from '../http/support.ts'

const INSPECTOR = '@modelcontextprotocol/inspector@2.12.0'
const FETCHING_MS = 180_000
const ASKING_MS = 90_000

const server = fileURLToPath(new URL('./stdio-server.ts', import.meta.url))
const tsx = fileURLToPath(import.meta.resolve('tsx'))

describe('the inspector', () => {
  const state: { canRun: boolean; served?: McpServed } = { canRun: false }
  beforeAll(async () => {
    state.canRun = await canRun(INSPECTOR, 'mcp-inspector --cli')
    if (state.canRun) state.served = await serveMcp()
  }, FETCHING_MS)
  afterAll(() => state.served?.close())

  const targets = () => ({
    stdio: `${process.execPath} --import ${tsx} ${server}`,
    http: `${state.served?.url} --transport http --header "Authorization: Bearer ${TOKEN}"`,
  })

  it.each(['stdio', 'http'] as const)(
    'has nothing to say against our tools over %s, and calls them',
    async (transport) => {
      if (!state.canRun) return
      const target = targets()[transport]
      const ask = async (words: string) => {
        const { code, output } = await run(INSPECTOR, `mcp-inspector --cli ${target} ${words}`)
        expect(code, output).toBe(0)
        return output
      }
      const listed = await ask('--method tools/list --strict')
      for (const name of ['list_models', 'complete', 'set_preset']) expect(listed).toContain(`"${name}"`)
      const input = JSON.stringify({ model: 'acme/a', prompt: 'hi', max_cost_usd: '0.01' })
      expect(await ask(`--method tools/call --tool-name complete --tool-args-json '${input}' --format json`)).toContain('0xabc')
    },
    ASKING_MS,
  )
})
