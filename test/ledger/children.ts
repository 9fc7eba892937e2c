/** Starts the children of these tests and reads what they say, line by line. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { programOf } from '../support/program.ts'

export type Child = {
  readonly process: ChildProcess
  /** Grows as the child speaks. */
  readonly lines: readonly string[]
  /** Resolves with the line that made it true; rejects when the child ends before. */
  said(predicate: (line: string) => boolean): Promise<string>
  /** Resolves with the exit code once all that was said has been read; `null` for a child that was killed. */
  ended(): Promise<number | null>
}

/** Runs a script of `children/`; through a shell when `limits` sets some for the process. */
export function startChild(script: string, values: readonly string[], limits?: string): Child {
  const node = [process.execPath, programOf(`test/ledger/children/${script}`), ...values]
  const [command = '', ...words] = limits === undefined ? node : ['/bin/sh', '-c', `${limits}; exec "$@"`, 'sh', ...node]
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => lines.push(line))
  const closed = once(child, 'close')
  return {
    process: child,
    lines,
    said: (predicate) =>
      new Promise((resolve, reject) => {
        const before = lines.find(predicate)
        if (before !== undefined) return resolve(before)
        reader.on('line', (line) => predicate(line) && resolve(line))
        void closed.then(() => reject(new Error(`the child ended after ${lines.length} lines`)))
      }),
    ended: async () => ((await closed) as [number | null])[0],
  }
}
