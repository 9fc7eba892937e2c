/** How long it takes from starting the MCP server to its list of tools, beside an empty Node on the same core. */
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pinned } from './process.ts'

export type ColdStart = { readonly emptyMs: number; readonly toolsMs: number; readonly ratio: number }

const opening = [
  {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } },
  },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/list', params: {} },
]

/** Milliseconds until the answer to `tools/list`. @throws Error when the server ends first. */
async function toolsListed(program: string): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), 'routeplane-bench-mcp-'))
  writeFileSync(join(home, 'routeplane.yaml'), 'skip_auth: true\n')
  const startedAt = performance.now()
  const [command, ...args] = pinned('contestant', [process.execPath, program])
  const child = spawn(command, args, {
    cwd: home,
    env: { ...process.env, HOME: home, ROUTEPLANE_HOME: home },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.write(opening.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''))
  const took = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, result } = JSON.parse(line) as { id?: number; result?: { tools?: unknown[] } }
      if (id === 2 && result?.tools !== undefined) resolve(performance.now() - startedAt)
    })
    child.once('exit', (code) => reject(new Error(`the MCP server ended with ${String(code)} before it listed its tools`)))
  })
  child.kill()
  return took
}

/** Milliseconds that Node takes to do nothing. */
async function emptyNode(): Promise<number> {
  const startedAt = performance.now()
  const [command, ...args] = pinned('contestant', [process.execPath, '-e', '0'])
  await new Promise((resolve) => spawn(command, args, { stdio: 'ignore' }).once('exit', resolve))
  return performance.now() - startedAt
}

/** Takes turns between the two, so that a busy moment hits both; medians, and the median of the ratios. */
export async function measureColdStart(program: string, rounds: number): Promise<ColdStart> {
  const pairs: { empty: number; tools: number }[] = []
  for (let round = 0; round < rounds; round++) pairs.push({ empty: await emptyNode(), tools: await toolsListed(program) })
  return {
    emptyMs: median(pairs.map(({ empty }) => empty)),
    toolsMs: median(pairs.map(({ tools }) => tools)),
    ratio: median(pairs.map(({ empty, tools }) => tools / empty)),
  }
}

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN
  return (upper + lower) / 2
}
