/** Starts the children of the chain suites in the world of a test, and reads what they say. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { World } from '../../support/engine.ts'
import { programOf } from '../../support/program.ts'

export type Child = {
  readonly process: ChildProcess
  readonly lines: readonly string[]
  /** Resolves with what it says first. @throws Error when the child ends before. */
  first(): Promise<string>
  /** Looks until `isSo`. @throws Error when the child ends before. */
  until(isSo: () => boolean): Promise<void>
  /** Resolves once so many lines say `text`, or begin with it and a space. @throws Error when the child ends before. */
  said(text: string, times?: number): Promise<void>
  /** Resolves with the exit code when all that was said has been read; `null` for a child that was killed. */
  readonly ended: Promise<number | null>
}

/** `limits` are set for the process by a shell, such as `ulimit -f 1200`. */
type ChildWorld = Pick<World, 'file' | 'variables'> & { readonly limits?: string }

/** Runs a script of this folder; whatever is left of it is killed when the test has finished. */
export function startChild(script: string, world: ChildWorld, ...values: readonly string[]): Child {
  const node = [process.execPath, programOf(`test/chain/children/${script}`), world.file, ...values]
  const [command = '', ...words] = world.limits === undefined ? node : ['/bin/sh', '-c', `${world.limits}; exec "$@"`, 'sh', ...node]
  const child = spawn(command, words, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...world.variables },
  })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => lines.push(line))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const gone = ended.then(() => {
    throw new Error(`${script} ended after saying ${lines.join(', ')}`)
  })
  gone.catch(() => {})
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await Promise.race([sleep(10), gone])
  }
  return {
    process: child,
    lines,
    until,
    async first() {
      await until(() => lines.length > 0)
      return lines[0] ?? ''
    },
    async said(text, times = 1) {
      const says = (line: string) => line === text || line.startsWith(`${text} `)
      while (lines.filter(says).length < times) await Promise.race([once(reader, 'line'), gone])
    },
    ended,
  }
}
