/** Sessions of the 2025 revisions over HTTP: opened by `initialize`, bounded in number, closed when nobody uses them. */
import { type McpServer, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import type { Clock } from '../lib/clock.ts'
import { randomBytesOf } from '../lib/id.ts'
import { createEventLog } from './event-log.ts'

export type SessionOptions = {
  readonly clock: Clock
  /** Sessions at a time; default 1,000. */
  readonly maxSessions?: number
  /** How long a session that nobody listens to may rest before it makes room; default 10 minutes. */
  readonly idleMs?: number
  /** Silence after which a comment is sent on a stream; default 15,000 ms. */
  readonly keepAliveMs?: number
  /** Builds the server of one session. */
  build(): McpServer
}

export type Sessions = {
  /** Answers an `initialize`; `undefined` when there is no room. */
  open(request: Request, body: unknown): Promise<Response | undefined>
  /** Answers a request that names a session; `undefined` when there is none of that name. */
  answer(id: string, request: Request, body: unknown): Promise<Response> | undefined
  /** Ends the streams on which clients only listen; calls go on. */
  stopListening(): void
  /** Ends every session, and with it the calls that still run. */
  close(): Promise<void>
}

type Session = {
  readonly server: McpServer
  readonly transport: WebStandardStreamableHTTPServerTransport
  lastUsed: number
  /** Streams on which the client listens now. */
  listening: number
}

const MAX_SESSIONS = 1_000
const IDLE_MS = 10 * 60_000

/** @see MCP specification 2025-11-25, "Session Management" */
export function createSessions(options: SessionOptions): Sessions {
  const { clock, maxSessions = MAX_SESSIONS, idleMs = IDLE_MS, keepAliveMs = 15_000 } = options
  const sessions = new Map<string, Session>()
  const events = createEventLog()

  const isIdle = ({ listening, lastUsed }: Session) => listening === 0 && clock.now() - lastUsed > idleMs
  const sweep = async () => {
    for (const session of [...sessions.values()].filter(isIdle)) await session.server.close()
  }
  const use = (session: Session, request: Request, parsedBody: unknown): Promise<Response> => {
    session.lastUsed = clock.now()
    if (request.method === 'GET') {
      session.listening++
      request.signal.addEventListener('abort', () => session.listening--, { once: true })
    }
    return session.transport.handleRequest(request, { parsedBody })
  }
  return {
    async open(request, body) {
      if (sessions.size >= maxSessions) await sweep()
      if (sessions.size >= maxSessions) return undefined
      const id = Buffer.from(randomBytesOf(24)).toString('base64url')
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: () => id,
        eventStore: events.forSession(id),
        keepAliveMs,
        retryInterval: 1_000,
        onsessioninitialized: () => void sessions.set(id, session),
      })
      const session: Session = { server: options.build(), transport, lastUsed: clock.now(), listening: 0 }
      transport.onclose = () => void sessions.delete(id)
      await session.server.connect(transport)
      return use(session, request, body)
    },
    answer(id, request, body) {
      const session = sessions.get(id)
      return session === undefined ? undefined : use(session, request, body)
    },
    stopListening() {
      for (const { transport } of sessions.values()) transport.closeStandaloneSSEStream()
    },
    async close() {
      await Promise.allSettled([...sessions.values()].map(({ server }) => server.close()))
      sessions.clear()
    },
  }
}
