/** What tests of the transport share: calls, readers, and things to close afterwards. */
import type { Socket } from 'node:net'
import { afterEach, expect } from 'vitest'
import { RouteplaneError } from '../../src/errors.ts'
import { createTransport, type ClosableTransport, type TransportConfig } from '../../src/gateway/transport.ts'
import type { HttpCall, HttpResponse, TransportOptions } from '../../src/lib/http-call.ts'
import { startRawUpstream, startUpstream, type Script, type Upstream } from './upstream.ts'

export type Bench = {
  transportOf(config?: Partial<TransportConfig>): ClosableTransport
  upstreamOf(script: Script): Promise<Upstream>
  rawOf(answer: (socket: Socket) => void | Promise<void>): Promise<Upstream>
}

/** Makes transports and upstreams that are closed after each test of the file. */
export function createBench(): Bench {
  const open: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const one of open.splice(0).toReversed()) await one.close()
  })
  const kept = <T extends { close(): Promise<void> }>(one: T): T => {
    open.push(one)
    return one
  }
  return {
    transportOf: (config = {}) => kept(createTransport({ allowLoopback: true, ...config })),
    upstreamOf: async (script) => kept(await startUpstream(script)),
    rawOf: async (answer) => kept(await startRawUpstream(answer)),
  }
}

export const post = (url: string): HttpCall => ({
  method: 'POST',
  url,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"a":1}'),
})

export const options = (extra: Partial<TransportOptions> = {}): TransportOptions => ({ signal: new AbortController().signal, ...extra })

export async function readAll(response: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

export async function failureOf(work: Promise<unknown>): Promise<RouteplaneError> {
  const outcome: unknown = await work.then(
    () => 'no failure',
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(RouteplaneError)
  return outcome as RouteplaneError
}

export const failed = (code: string, details: Record<string, unknown>): unknown =>
  expect.objectContaining({ code, details: expect.objectContaining(details) as unknown })
