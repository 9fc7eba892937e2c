/** A real HTTP server on loopback that plays an upstream by script, and remembers what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type SeenRequest = {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** The body parsed, `undefined` when it is not JSON. */
  readonly json: unknown
  /** Resolves when the connection of this request has closed. */
  readonly closed: Promise<void>
}

/**
 * What happens next: bytes are written at once, `ms` waits, `until` waits for a promise, `drip` writes byte by byte,
 * `stall` says nothing until the other side goes, `cut` destroys the socket.
 */
export type Step =
  | string
  | Uint8Array
  | { readonly ms: number }
  | { readonly until: Promise<unknown> }
  | { readonly drip: string; readonly everyMs: number }
  | 'stall'
  | 'cut'

export type Answer = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Milliseconds before the head is sent. */
  readonly delayMs?: number
} & (
  | { readonly json: unknown }
  | { readonly body: string | Uint8Array }
  /** An event stream; see {@link Step}. */
  | { readonly stream: readonly Step[] }
  /** Destroys the socket before any head. */
  | { readonly hangUp: true }
)

export type Script = Answer | ((request: SeenRequest, count: number) => Answer | Promise<Answer>)

export type Upstream = {
  /** Without a trailing slash; append the path. */
  readonly url: string
  readonly port: number
  readonly requests: readonly SeenRequest[]
  /** TCP connections accepted so far. */
  connections(): number
  close(): Promise<void>
}

/** Starts an upstream on a free port; a function as script is asked again for each request, counted from 0. */
export async function startUpstream(script: Script): Promise<Upstream> {
  const requests: SeenRequest[] = []
  let connections = 0
  const server = createServer((request, response) => {
    void play(request, response).catch(() => response.destroy())
  })
  const play = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const seen = await see(request, response)
    requests.push(seen)
    await perform(response, typeof script === 'function' ? await script(seen, requests.length - 1) : script)
  }
  server.on('connection', () => connections++)
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    connections: () => connections,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

/** Starts a server that speaks raw bytes: for answers no HTTP library would send. */
export async function startRawUpstream(answer: (socket: Socket, request: Buffer) => void | Promise<void>): Promise<Upstream> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createTcpServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', (request) => void answer(socket, request))
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: [],
    connections: () => connections,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** A port of loopback where nothing listens. */
export async function freePort(): Promise<number> {
  const server = createTcpServer()
  const port = await listen(server)
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** Events of data lines as one text, `[DONE]` not included. */
export function sse(...payloads: readonly unknown[]): string {
  return payloads.map((payload) => `data: ${typeof payload === 'string' ? payload : JSON.stringify(payload)}\n\n`).join('')
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve())
  })
  return (server.address() as AddressInfo).port
}

async function see(request: IncomingMessage, response: ServerResponse): Promise<SeenRequest> {
  const closed = new Promise<void>((resolve) => response.once('close', () => resolve()))
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  return { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body, json: parsed(body), closed }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown
  } catch {
    return undefined
  }
}

async function perform(response: ServerResponse, answer: Answer): Promise<void> {
  if (answer.delayMs !== undefined) await sleep(answer.delayMs)
  if ('hangUp' in answer) {
    response.destroy()
    return
  }
  const type = 'json' in answer ? 'application/json' : 'stream' in answer ? 'text/event-stream' : 'text/plain'
  const headers = { 'content-type': type, ...answer.headers } as Record<string, string | string[]>
  response.writeHead(answer.status ?? 200, headers)
  if ('json' in answer) response.end(JSON.stringify(answer.json))
  else if ('body' in answer) response.end(answer.body)
  else await stream(response, answer.stream)
}

async function stream(response: ServerResponse, steps: readonly Step[]): Promise<void> {
  response.flushHeaders()
  for (const step of steps) {
    if (response.destroyed || step === 'stall') return
    if (step === 'cut') {
      // What was written must be on the wire before the socket goes, or the cut would come too early.
      await new Promise((resolve) => setImmediate(resolve))
      response.destroy()
      return
    }
    await take(response, step)
  }
  response.end()
}

async function take(response: ServerResponse, step: Exclude<Step, 'stall' | 'cut'>): Promise<void> {
  if (typeof step === 'string' || step instanceof Uint8Array) response.write(step)
  else if ('ms' in step) await sleep(step.ms)
  else if ('until' in step) await step.until
  else {
    for (const character of step.drip) {
      if (response.destroyed) return
      response.write(character)
      await sleep(step.everyMs)
    }
  }
}
