/** Runs a command line in a real process: its streams, its signals, and its end. */
import { readEnvironment } from '../config/environment.ts'
import { systemClock } from '../lib/clock.ts'
import type { Interruption } from './context.ts'
import { createEngine } from './engine.ts'
import { exitCodes } from './exit-code.ts'
import { main } from './main.ts'
import { createTerminal } from './terminal.ts'

/** Runs `args` and ends the process with the command's exit code. */
export async function runProcess(args: readonly string[]): Promise<void> {
  const interruption = new AbortController()
  watchSignals(interruption)
  watchPipe()
  const code = await main(args, {
    environment: readEnvironment(),
    terminal: createTerminal(process.stdin, process.stdout, process.stderr),
    clock: systemClock,
    interrupted: interruption.signal,
    engine: createEngine(),
  })
  // A pipe takes its time on some systems: the process may end only when the last line is out.
  process.stdout.write('', () => process.exit(code))
}

/** The first signal asks, the second ends: whatever is signed by then is in the ledger and is settled at the next start. */
function watchSignals(interruption: AbortController): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (interruption.signal.aborted) process.exit(exitCodes.interrupted)
      interruption.abort({ signal } satisfies Interruption)
    })
  }
}

/** Whoever read our output has read enough, as in `routeplane models | head -1`. */
function watchPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed)
  })
}
