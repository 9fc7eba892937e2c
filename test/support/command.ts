/** Runs the command line as a user does, in the world of a test: a process of its own, which may be killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import type { World } from './engine.ts'
import { programOf } from './program.ts'

export type Commanded = { readonly code: number | null; readonly out: string; readonly error: string }

/** @returns the process, and what it has said once it has ended; it is killed when the test has finished, if not before. */
export function startCommand(
  world: Pick<World, 'file' | 'directory' | 'variables'>,
  ...args: readonly string[]
): { readonly process: ChildProcess; readonly ended: Promise<Commanded> } {
  const child = spawn(process.execPath, [programOf('src/bin/routeplane.ts'), ...args, '-c', world.file], {
    cwd: world.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: world.directory, ...world.variables },
  })
  const said = { out: '', error: '' }
  child.stdout.on('data', (chunk: Buffer) => void (said.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => void (said.error += chunk.toString()))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { process: child, ended }
}

/** Runs it to its end. */
export function runCommand(world: Pick<World, 'file' | 'directory' | 'variables'>, ...args: readonly string[]): Promise<Commanded> {
  return startCommand(world, ...args).ended
}
