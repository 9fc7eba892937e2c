/** Reads a request's body within a bound and parses it as one JSON object. */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { RouteplaneError } from '../errors.ts'
import { isRecord } from '../lib/json.ts'
import { parseBytes } from '../lib/json-splice.ts'

/**
 * Collects the body, at most `maxBytes` of it.
 *
 * @throws RouteplaneError `body_too_large` as soon as the bound is passed, without keeping the rest; `cancelled` when the
 *   caller goes away.
 */
export function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(incoming.headers['content-length']) > maxBytes) return Promise.reject(tooLarge(maxBytes))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const stop = () => {
      incoming.off('data', onData)
      incoming.off('end', onEnd)
      incoming.off('close', onClose)
      incoming.off('error', onClose)
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= maxBytes) return
      stop()
      incoming.pause()
      reject(tooLarge(maxBytes))
    }
    const onEnd = () => {
      stop()
      const [only] = chunks
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size))
    }
    const onClose = () => {
      stop()
      reject(new RouteplaneError('cancelled', 'the caller went away before the request was complete'))
    }
    incoming.on('data', onData)
    incoming.on('end', onEnd)
    incoming.on('close', onClose)
    incoming.on('error', onClose)
  })
}

function tooLarge(maxBytes: number): RouteplaneError {
  return new RouteplaneError('body_too_large', `the body is larger than ${maxBytes} bytes`, {
    hint: 'Send less content, or refer to files by URL.',
  })
}

/**
 * Parses a body that must be one JSON object.
 *
 * @throws RouteplaneError `invalid_json` (also for a byte order mark and bytes that are not UTF-8), `nesting_too_deep`,
 *   `body_too_large` for more members or values than are read, `invalid_request` for another top level, `duplicate_key`.
 */
export function parseBody(body: Buffer): Readonly<Record<string, unknown>> {
  const json = parseMessage(body)
  if (!isRecord(json)) throw new RouteplaneError('invalid_request', 'the body must be a JSON object')
  return json
}

/**
 * Parses a body that may be any JSON.
 *
 * @throws RouteplaneError as {@link parseBody}, save that it takes every top level.
 */
export function parseMessage(body: Buffer): unknown {
  if (!isUtf8(body)) throw new RouteplaneError('invalid_json', 'the body is not valid UTF-8')
  return parseBytes(body)
}
