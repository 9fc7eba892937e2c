/** The chunked transfer coding, a chunk in one write: Node writes its size, its bytes and its line end each for itself. */
import type { ServerResponse } from 'node:http'
import type { ResponseHeaders } from './response-headers.ts'

/** Says that the body is whole. @see RFC 9112, section 7.1 */
export const LAST_CHUNK = '0\r\n\r\n'

/** Copying more than this into a frame costs more than it saves. */
const MAX_COPIED = 8 * 1024

/** Writes an answer whose length is not known, in whatever framing its caller's version of HTTP has. */
export type BodyWriter = {
  head(status: number, headers: ResponseHeaders | undefined): void
  write(piece: Uint8Array | string): void
  end(): void
}

export function createBodyWriter(outgoing: ServerResponse): BodyWriter {
  let isChunked = false
  return {
    head: (status, headers) => {
      outgoing.writeHead(status, headers)
      isChunked = outgoing.chunkedEncoding
      outgoing.chunkedEncoding = false
    },
    write: (piece) => {
      if (piece.length === 0) return
      const isFramed = isChunked && piece.length <= MAX_COPIED
      outgoing.chunkedEncoding = isChunked && !isFramed
      outgoing.write(isFramed ? chunkOf(piece) : piece)
      outgoing.chunkedEncoding = false
    },
    end: () => void (isChunked ? outgoing.end(LAST_CHUNK, 'latin1') : outgoing.end()),
  }
}

/** Frames bytes, of which there must be some: a chunk without any would end the body. */
export function chunkOf(piece: Uint8Array | string): Buffer {
  const bytes = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length
  const size = bytes.toString(16)
  const start = size.length + 2
  const chunk = Buffer.allocUnsafe(start + bytes + 2)
  chunk.write(`${size}\r\n`, 0, 'latin1')
  if (typeof piece === 'string') chunk.write(piece, start)
  else chunk.set(piece, start)
  chunk.write('\r\n', start + bytes, 'latin1')
  return chunk
}
