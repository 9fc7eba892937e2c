/** Runs the programs that judge MCP servers, under the newer Node.js they need, from the package registry. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'

export type Verdict = { readonly code: number | null; readonly output: string }

/** What npm says when there is no registry to ask. */
const OFFLINE = /\b(?:ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|ENOTCACHED|E404|network request)\b/

/**
 * Tells whether a package can be had. Where tests must be complete it always has to be, so there its absence is an error.
 *
 * @throws Error in continuous integration, and for every failure that is not one of the network.
 */
export async function canRun(name: string, command: string): Promise<boolean> {
  const { code, output } = await run(name, `${command} --help`)
  if (code === 0) return true
  if (process.env['CI'] !== undefined || !OFFLINE.test(output)) throw new Error(`${name} did not start:\n${output}`)
  process.stderr.write(`NOT JUDGED: ${name} could not be fetched, so the MCP server was not held against it\n`)
  return false
}

/** Node.js 22 comes from the registry too: the referees use what ours does not have yet. */
export async function run(name: string, command: string): Promise<Verdict> {
  const child = spawn('npx', ['--yes', '-p', 'node@22', '-p', name, '-c', command], {
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', npm_config_loglevel: 'error' },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}
