/** Keeps stdout for the protocol: whatever else writes to it, a dependency's console included, goes to stderr. */
import { Writable } from 'node:stream'

/**
 * Redirects `process.stdout` (and with it `console`) to `process.stderr`, and returns the one stream that still writes
 * to the real stdout. Call it once, before anything else is imported: a module may print while it loads.
 */
export function captureStdout(): Writable {
  const { stdout, stderr } = process
  const write = stdout.write.bind(stdout)
  stdout.write = stderr.write.bind(stderr)
  const output = new Writable({
    decodeStrings: false,
    write: (chunk: string | Uint8Array, encoding, done) => void write(chunk, encoding, done),
  })
  // A client that closes its end is an ordinary ending, told through `output`; on the process's own streams nobody
  // would listen, and an unheard error event ends the process.
  stdout.on('error', () => {})
  stderr.on('error', () => {})
  return output
}
