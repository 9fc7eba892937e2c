/** The terminal of a real process: results on stdout, everything else on stderr, secrets read without being shown. */
import type { ReadStream, WriteStream } from 'node:tty'
import { RouteplaneError } from '../errors.ts'
import type { Terminal } from './context.ts'

/** Wraps the three streams. Nothing is read until somebody asks. */
export function createTerminal(
  input: NodeJS.ReadStream | ReadStream,
  output: NodeJS.WriteStream | WriteStream,
  errors: NodeJS.WriteStream | WriteStream,
): Terminal {
  const isInteractive = input.isTTY && errors.isTTY
  const ahead: Ahead = { keys: [] }
  return {
    out: (text) => void output.write(text),
    error: (text) => void errors.write(text),
    isInteractive,
    async ask(question) {
      if (!isInteractive) throw nobodyToAsk()
      errors.write(question)
      try {
        return await readLine(input, ahead)
      } finally {
        input.pause()
      }
    },
    async askHidden(question) {
      if (!isInteractive) throw nobodyToAsk()
      errors.write(question)
      input.setRawMode(true)
      try {
        return await readLine(input, ahead)
      } finally {
        input.setRawMode(false)
        input.pause()
        errors.write('\n')
      }
    },
    readInput: async (maxBytes) => readAll(input, maxBytes),
  }
}

function nobodyToAsk(): RouteplaneError {
  return new RouteplaneError('usage', 'there is nobody to ask', { details: { problem: 'not_interactive' } })
}

async function readAll(input: AsyncIterable<Buffer | string>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    chunks.push(Buffer.from(chunk))
    size += Buffer.byteLength(chunk)
    if (size > maxBytes) {
      throw new RouteplaneError('usage', `standard input has more than ${maxBytes} bytes`, { details: { problem: 'too_large' } })
    }
  }
  return Buffer.concat(chunks).toString('utf8')
}

const ENTER = new Set(['\r', '\n'])
const ERASE = new Set(['\u007f', '\b'])
const INTERRUPT = '\u0003'
const END = '\u0004'

/** Keys that came with the last line and belong to the next: a paste of two lines answers two questions. */
type Ahead = { keys: string[] }

/**
 * In raw mode the terminal shows nothing and sends every key, so Enter, Backspace and Ctrl-C are ours to read; otherwise it
 * edits the line itself and sends it whole.
 */
async function readLine(input: NodeJS.ReadStream | ReadStream, ahead: Ahead): Promise<string> {
  const typed: string[] = []
  if (takeKeys(typed, ahead)) return typed.join('')
  for await (const chunk of input.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    ahead.keys.push(...chunk.toString('utf8'))
    if (takeKeys(typed, ahead)) break
  }
  return typed.join('')
}

/** Moves keys to what is typed; `true` at the end of the line. */
function takeKeys(typed: string[], ahead: Ahead): boolean {
  for (let key = ahead.keys.shift(); key !== undefined; key = ahead.keys.shift()) {
    if (key === INTERRUPT) throw new RouteplaneError('cancelled', 'interrupted')
    if (key === END || ENTER.has(key)) {
      if (key === '\r' && ahead.keys[0] === '\n') ahead.keys.shift()
      return true
    }
    if (ERASE.has(key)) typed.pop()
    else typed.push(key)
  }
  return false
}
