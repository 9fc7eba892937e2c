/** Serves MCP on stdin and stdout until the client or a signal ends it, and lets payments be recorded before it returns. */
import type { Readable, Writable } from 'node:stream'
import { type StdioServerHandle, StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { within } from '../lib/within.ts'
import type { Routeplane } from '../routeplane.ts'
import { createMcpServer } from './server.ts'

export type StdioOptions = {
  /** What `captureStdout` has returned: the only stream that writes to the real stdout. */
  readonly stdout: Writable
  readonly log: Log
  readonly version?: string
  /** Ends the serving; without it SIGTERM and SIGINT do. */
  readonly signal?: AbortSignal
  readonly input?: Readable
  readonly clock?: Clock
  /** How long payments under way may take to be recorded at the end; default 10,000 ms. */
  readonly drainMs?: number
}

/** The longest line that is read; the transport holds a whole line in memory. */
const MAX_LINE_BYTES = 10 * 1024 * 1024
/** Room for the start of the next line, which may arrive in the same read. */
const READ_SLACK = 1024 * 1024

/**
 * Serves one client; its first call of a tool opens the gateway. It stays open: whoever opens it closes it.
 *
 * @returns The exit code: 0 after an end of input, a closed output or a signal; 1 after a line that is too long.
 */
export async function serveMcpStdio(open: () => Promise<Routeplane>, options: StdioOptions): Promise<0 | 1> {
  const { input = process.stdin, clock = systemClock, log } = options
  const running = new Set<Promise<unknown>>()
  const onCall = (call: Promise<unknown>) => {
    running.add(call)
    void call.finally(() => running.delete(call))
  }
  const transport = new StdioServerTransport(input, options.stdout, { maxBufferSize: MAX_LINE_BYTES + READ_SLACK })
  const { code, handle } = await new Promise<{ readonly code: 0 | 1; readonly handle: StdioServerHandle }>((resolve) => {
    const end = (endCode: 0 | 1) => {
      unwatch()
      resolve({ code: endCode, handle: serving })
    }
    const unwatch = watch(input, options, end)
    const serving = serveStdio(() => createMcpServer(open, { version: options.version ?? 'unknown', log, clock, onCall }), {
      transport,
      onerror: (error) => log.warn('mcp message not handled', { message: error.message.slice(0, 300) }),
    })
    const { onclose } = transport
    transport.onclose = () => {
      onclose?.()
      end(0)
    }
  })
  // Ends the connection, which aborts the calls that still run: they record what they have paid and settle.
  const settled = handle.close().then(() => Promise.allSettled(running))
  settled.catch((error: unknown) => log.error('shutdown failed', { message: String(error).slice(0, 300) }))
  if (!(await within(options.drainMs ?? 10_000, settled, clock)))
    log.warn('shutdown took too long; open payments are resolved at the next start')
  return code
}

/** Tells `end` of signals and of a line that is too long; the transport tells of everything else. */
function watch(input: Readable, { log, signal }: StdioOptions, end: (code: 0 | 1) => void): () => void {
  const onSignal = () => end(0)
  const onData = createLineWatch(() => {
    log.error('mcp line too long', { maxBytes: MAX_LINE_BYTES })
    end(1)
  })
  input.on('data', onData)
  if (signal === undefined) for (const name of SIGNALS) process.once(name, onSignal)
  else if (signal.aborted) setImmediate(onSignal)
  else signal.addEventListener('abort', onSignal, { once: true })
  return () => {
    input.off('data', onData)
    signal?.removeEventListener('abort', onSignal)
    // A second signal finds no listener and ends the process at once.
    for (const name of SIGNALS) process.off(name, onSignal)
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Counts the bytes since the last line end, to say why a connection ends where the transport would only close it. */
function createLineWatch(onTooLong: () => void): (chunk: Buffer) => void {
  let length = 0
  return (chunk) => {
    const end = chunk.lastIndexOf(0x0a)
    length = end === -1 ? length + chunk.length : chunk.length - end - 1
    if (length > MAX_LINE_BYTES) onTooLong()
  }
}
