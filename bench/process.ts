/** Starts the programs of a measurement on their core, waits until they listen, and reads what they cost from /proc. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Contestants get one core for themselves; what measures them shares another. */
export type Role = 'contestant' | 'instrument'

export type Running = { readonly child: ChildProcess; readonly port: number }

/** Whether programs can be tied to cores: without it figures still come out, but contestants and instruments compete. */
export const canPin = availableParallelism() >= 2 && spawnSync('taskset', ['-V']).status === 0

/** Puts a command on the core of its role. */
export function pinned(role: Role, command: readonly string[]): [string, ...string[]] {
  const [program = '', ...rest] = command
  return canPin ? ['taskset', '-c', role === 'contestant' ? '0' : '1', program, ...rest] : [program, ...rest]
}

/** Asks the system for a port nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export type StartOptions = { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> }

/**
 * Starts a server and resolves once its port accepts connections.
 *
 * @throws Error with what it printed, when it ends before or does not listen within 20 seconds.
 */
export async function startServer(name: string, command: readonly string[], port: number, options: StartOptions = {}): Promise<Running> {
  const [program, ...args] = pinned('contestant', command)
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  const keep = (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-4000))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  for (let waited = 0; waited < 20_000; waited += 25) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${printed}`)
    if (await accepts(port)) return { child, port }
    await sleep(25)
  }
  child.kill()
  throw new Error(`${name} does not listen on port ${port}: ${printed}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Ends a program and waits until it is gone. */
export async function stop({ child }: { readonly child: ChildProcess }): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const hurry = setTimeout(() => child.kill('SIGKILL'), 3000)
  await gone
  clearTimeout(hurry)
}

/** CPU time in microseconds and resident memory in KiB of a program with its children; `undefined` where /proc does not say. */
export type Cost = { readonly cpuUs: number; readonly residentKiB: number }

const TICK_US = 10_000

/** Reads {@link Cost}; the kernel counts CPU time in ticks of 10 ms, so measure for seconds. */
export function costOf(pid: number | undefined): Cost | undefined {
  if (pid === undefined || !existsSync('/proc/self/stat')) return undefined
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap(readStat)
  const tree = new Set([pid])
  for (const id of tree) for (const row of all) if (row.parent === id) tree.add(row.id)
  const own = all.filter(({ id }) => tree.has(id))
  return {
    cpuUs: own.reduce((sum, { ticks }) => sum + ticks * TICK_US, 0),
    residentKiB: own.reduce((sum, { pages }) => sum + pages * 4, 0),
  }
}

/** @see proc(5), /proc/pid/stat: the fields after the name, which may hold blanks and is in parentheses. */
function readStat(entry: string): { id: number; parent: number; ticks: number; pages: number }[] {
  try {
    const text = readFileSync(`/proc/${entry}/stat`, 'utf8')
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    return [{ id: Number(entry), parent: fields[1] ?? 0, ticks: (fields[11] ?? 0) + (fields[12] ?? 0), pages: fields[21] ?? 0 }]
  } catch {
    return [] // It has ended since the folder was listed.
  }
}
