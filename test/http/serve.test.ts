/** Binding, refusing to bind, and letting go. */
import { connect } from 'node:net'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { RouteplaneError } from '../../src/errors.ts'
import { serveHttp } from '../../src/http/serve.ts'
import { Secret, silentLog } from '../../src/lib/log.ts'
import { TOKEN, chat, deferred, foldText, nativeJson, rawRequest, scripted, sendRaw, serve } from './support.ts'
import { verifies } from '../support/verifies.ts'

const gateway = scripted(async () => nativeJson({}))

async function failure(promise: Promise<unknown>): Promise<RouteplaneError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(RouteplaneError)
  return thrown as RouteplaneError
}

it('does not serve strangers without authentication', async () => {
  verifies('card.gateway.token')
  for (const host of ['0.0.0.0', '::', '192.0.2.1', '127.evil.example', 'example.com']) {
    expect((await failure(serve(gateway, { host, skipAuth: true }))).code).toBe('config_invalid')
  }
})

it('does not start with neither a token nor the wish for none', async () => {
  verifies('card.gateway.token')
  const options = { host: '127.0.0.1', port: 0, skipAuth: false, protocols: [chat], foldParts: foldText, log: silentLog }
  expect((await failure(serveHttp(gateway, options))).code).toBe('config_invalid')
  expect((await failure(serveHttp(gateway, { ...options, token: new Secret('') }))).code).toBe('config_invalid')
})

it('answers without a token when authentication is off', async () => {
  const server = await serve(gateway, { skipAuth: true })
  expect((await fetch(`${server.url}/v1/models`)).status).toBe(200)
  await server.close()
})

it('says in one sentence that a port is taken', async () => {
  const first = await serve(gateway)
  const error = await failure(serve(gateway, { port: first.port }))
  expect([error.code, error.message]).toEqual(['config_invalid', `port ${first.port} on 127.0.0.1 is already in use`])
  await first.close()
})

it('binds IPv6 loopback under a URL that works', async () => {
  const server = await serve(gateway, { host: '::1' })
  expect(server.url).toMatch(/^http:\/\/\[::1\]:\d+$/)
  expect((await fetch(`${server.url}/health`)).status).toBe(200)
  await server.close()
})

it('takes the extra host names that it was given', async () => {
  const server = await serve(gateway, { allowHosts: ['Gateway.internal'] })
  const socket = connect(server.port, '127.0.0.1')
  socket.write(rawRequest('GET /health', { host: `gateway.internal:${server.port}` }))
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  expect(chunk.toString()).toMatch(/^HTTP\/1\.1 200/)
  await server.close()
})

it('answers as many requests on one connection as its caller likes to send', async () => {
  const wanted = 1_500
  const server = await serve(gateway)
  const [more, last] = ['keep-alive', 'close'].map((connection) => rawRequest('GET /health', { host: 'localhost', connection }))
  const { all } = await sendRaw(server.port, `${more?.repeat(wanted - 1)}${last}`)
  const statuses = [...all.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status)
  expect([statuses.length, ...new Set(statuses)]).toEqual([wanted, '200'])
  await server.close()
})

it('lets a running answer finish on close, and takes nothing new', async () => {
  const asked = deferred()
  const gate = deferred()
  const server = await serve(
    scripted(async () => {
      asked.resolve()
      await gate.promise
      return nativeJson({ late: true })
    }),
  )
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const answer = fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers, body: '{"model":"a"}' })
  await asked.promise
  const closed = server.close()
  await expect(fetch(`${server.url}/health`)).rejects.toThrow()
  gate.resolve()
  expect(await (await answer).json()).toEqual({ late: true })
  await closed
})

it('waits on close for no connection that was opened and never used', async () => {
  const server = await serve(gateway)
  const unused = connect(server.port, '127.0.0.1')
  let heard = ''
  unused.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  await once(unused, 'connect')
  // Connections are taken in their order: the unused one is the server's by now.
  await sendRaw(server.port, rawRequest('GET /health', { host: 'localhost', connection: 'close' }))
  const gone = once(unused, 'close')
  await server.close()
  await gone
  // What waits for a request until it gives up says 408.
  expect(heard).toBe('')
})

it('cuts what does not finish within the bound', async () => {
  const asked = deferred()
  const aborted = deferred()
  const server = await serve(
    scripted(({ signal }) => {
      asked.resolve()
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.resolve()
          reject(signal.reason as Error)
        })
      })
    }),
    { drainMs: 30 },
  )
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const answer = fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers, body: '{"model":"a"}' })
  const cut = expect(answer).rejects.toThrow()
  await asked.promise
  await server.close()
  await aborted.promise
  await cut
})
