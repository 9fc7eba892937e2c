/** Serving over streams of the caller's own, ended by his signal. */
import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { serveMcpStdio } from '../../src/mcp/stdio.ts'
import { createGateway } from './gateway.ts'

it.each([true, false])('ends with the signal, aborted before: %s', async (before) => {
  const stop = new AbortController()
  if (before) stop.abort()
  const listeners = process.listenerCount('SIGTERM')
  const streams = { input: new PassThrough(), stdout: new PassThrough() }
  const code = serveMcpStdio(async () => createGateway(), { ...streams, log: silentLog, signal: stop.signal })
  expect(process.listenerCount('SIGTERM')).toBe(listeners)
  stop.abort()
  expect(await code).toBe(0)
})
