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
  const output = watchOutput()
  const code = await main(args, {
    environment: readEnvironment(),
    terminal: createTerminal(process.stdin, process.stdout, process.stderr),
    clock: systemClock,
    interrupted: interruption.signal,
    onHangUp(run) {
      process.on('SIGHUP', run)
      return () => void process.off('SIGHUP', run)
    },
    engine: createEngine(),
  })
  // A pipe takes its time on some systems: the process may end only when the last line is out.
  // What went wrong with it is told one turn later.
  process.stdout.write('', () => setImmediate(() => process.exit(output.failed() ? exitCodes.failed : code)))
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

/**
 * Whoever read our output may have read enough, as in `routeplane models | head -1`: that is no failure, and no reason
 * to leave anything half done. A full disk is one.
 */
function watchOutput(): { readonly failed: () => boolean } {
  const causes = new Set<string | undefined>()
  process.stdout.on('error', (error: NodeJS.ErrnoException) => causes.add(error.code))
  return { failed: () => [...causes].some((code) => code !== 'EPIPE' && code !== 'ERR_STREAM_DESTROYED') }
}
