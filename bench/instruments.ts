/** The mock provider and the load generator: the C programs where gcc is, the slower Node ones elsewhere. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { pinned } from './process.ts'

const here = fileURLToPath(new URL('.', import.meta.url))

/** Where everything made or fetched by the bench is kept; ignored by git. */
export const cache = join(here, '.cache')

export type Instruments = { readonly kind: 'C' | 'Node'; readonly mock: readonly string[]; readonly load: readonly string[] }

/** Compiles the C programs, or says why it takes the Node ones. */
export function prepareInstruments(forceNode: boolean): Instruments {
  mkdirSync(cache, { recursive: true })
  const built = !forceNode && ['mock', 'load'].every((name) => compile(name))
  if (built) return { kind: 'C', mock: [join(cache, 'mock')], load: [join(cache, 'load')] }
  process.stderr.write('bench: no gcc (or --node): the instruments run on Node and limit what can be seen\n')
  return { kind: 'Node', mock: nodeProgram('node-mock'), load: nodeProgram('node-load') }
}

/** Turns a script of this folder into plain JavaScript, so that no loader of types is measured along with it. */
export function nodeProgram(name: string): readonly string[] {
  const outfile = join(cache, `${name}.mjs`)
  buildSync({ entryPoints: [join(here, `${name}.ts`)], outfile, format: 'esm', platform: 'node', target: 'node20', logLevel: 'error' })
  return [process.execPath, outfile]
}

function compile(name: string): boolean {
  const run = spawnSync('gcc', ['-O2', '-Wall', '-o', join(cache, name), join(here, 'native', `${name}.c`)], { encoding: 'utf8' })
  if (run.error === undefined && run.status !== 0) throw new Error(`gcc cannot compile ${name}.c: ${run.stderr}`)
  return run.status === 0
}

/** Starts the mock provider; it prints its port. */
export async function startMock({ mock }: Instruments): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const [program, ...args] = pinned('instrument', mock)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    child.once('error', reject).once('exit', (code) => reject(new Error(`the mock provider ended with ${code}`)))
  })
  return { child, port: Number(line) }
}

type Percentiles = { readonly p50: number; readonly p99: number }

/** What the load generator prints; `all_…` counts the warm-up too. */
export type LoadReport = {
  readonly requests_per_second: number
  readonly chunks_per_second: number
  readonly bad: number
  readonly last_bad_status: number
  readonly broken: number
  readonly all_requests: number
  readonly all_chunks: number
  readonly latency_us?: Percentiles
  readonly first_token_us?: Percentiles
}

export type LoadOptions = {
  readonly port: number
  readonly path: string
  readonly bodyFile: string
  readonly connections: number
  readonly warmSeconds: number
  readonly seconds: number
  readonly headers: readonly string[]
}

/** Runs the load generator to its end. @throws Error when it fails or prints no report. */
export async function runLoad({ load }: Instruments, options: LoadOptions): Promise<LoadReport> {
  const { port, path, bodyFile, connections, warmSeconds, seconds, headers } = options
  const [program, ...args] = pinned('instrument', [
    ...load,
    ...[port, path, bodyFile, connections, warmSeconds, seconds].map(String),
    ...headers,
  ])
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`the load generator ended with ${String(code)}`)
  return JSON.parse(printed) as LoadReport
}
