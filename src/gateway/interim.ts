/** Lets a server say `100 Continue` to whom has not asked for it, which the HTTP client takes for a broken answer. */
import type { Socket } from 'node:net'

const STATUS_LINE = Buffer.from('HTTP/1.1 100')
/** The place of the last digit of the status. */
const LAST_DIGIT = STATUS_LINE.length - 1
const END_OF_LINE = Buffer.from('\r\n')
const END_OF_HEAD = Buffer.from('\r\n\r\n')

/**
 * Makes every interim 100 that is read from a socket a 102, which the client reads over.
 *
 * No body is touched: the line is looked for at the beginning of what is read, and JSON has no bare line end after such words.
 *
 * @see RFC 9110, section 15.2: a client must be able to read interim answers that it does not expect
 */
export function readOverContinue(socket: Socket): void {
  const read = socket.read.bind(socket)
  socket.read = (size?: number) => {
    const chunk: unknown = read(size)
    if (Buffer.isBuffer(chunk)) renumber(chunk)
    return chunk
  }
}

function renumber(chunk: Buffer): void {
  let at = 0
  while (chunk[at + LAST_DIGIT] === 0x30 && chunk.indexOf(STATUS_LINE, at) === at) {
    const line = chunk.indexOf(END_OF_LINE, at)
    if (line === -1) return
    chunk[at + LAST_DIGIT] = 0x32
    const end = chunk.indexOf(END_OF_HEAD, at)
    if (end === -1) return
    at = end + END_OF_HEAD.length
  }
}
