/** Sessions of the 2025 revisions over HTTP: opened by `initialize`, bounded in number, closed when nobody uses them. */
import { type McpServer, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import type { Caller } from '../gateway/call.ts'
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
  /** Builds the server of one session, for the caller who opens it. */
  build(caller: Caller): McpServer
}

/** A request whose JSON has been read, and who asks. */
export type Asked = { readonly request: Request; readonly body: unknown; readonly caller: Caller }

export type Sessions = {
  /** Answers an `initialize`; `undefined` when there is no room. */
  open(asked: Asked): Promise<Response | undefined>
  /** Answers a request that names a session; `undefined` when its caller has none of that name. */
  answer(id: string, asked: Asked): Promise<Response> | undefined
  /** Ends the streams on which clients only listen; calls go on. */
  stopListening(): void
  /** Ends every session, and with it the calls that still run. */
  close(): Promise<void>
}

type Session = {
  /** Whose it is: to everybody else it is not there. */
  readonly owner: string
  readonly server: McpServer
  readonly transport: WebStandardStreamableHTTPServerTransport
  lastUsed: number
  /** Streams on which the client listens now. */
  listening: number
}

const MAX_SESSIONS = 1_000
const IDLE_MS = 10 * 60_000
/** Of all sessions, how many parts one key may take: the operator finds room whatever his callers do. */
const SHARE_OF_A_KEY = 10

/** @see MCP specification 2025-11-25, "Session Management" */
export function createSessions(options: SessionOptions): Sessions {
  const { clock, maxSessions = MAX_SESSIONS, idleMs = IDLE_MS, keepAliveMs = 15_000 } = options
  const sessions = new Map<string, Session>()
  const events = createEventLog()

  const isIdle = ({ listening, lastUsed }: Session) => listening === 0 && clock.now() - lastUsed > idleMs
  const sweep = async () => {
    for (const session of [...sessions.values()].filter(isIdle)) await session.server.close()
  }
  const isFull = ({ id, isOperator }: Caller) => {
    const own = [...sessions.values()].filter(({ owner }) => owner === id).length
    return sessions.size >= maxSessions || (!isOperator && own >= maxSessions / SHARE_OF_A_KEY)
  }
  const use = (session: Session, { request, body }: Asked): Promise<Response> => {
    session.lastUsed = clock.now()
    if (request.method === 'GET') {
      session.listening++
      request.signal.addEventListener('abort', () => session.listening--, { once: true })
    }
    return session.transport.handleRequest(request, { parsedBody: body })
  }
  return {
    async open(asked) {
      const { caller } = asked
      if (isFull(caller)) await sweep()
      if (isFull(caller)) return undefined
      const id = Buffer.from(randomBytesOf(24)).toString('base64url')
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: () => id,
        eventStore: events.forSession(id),
        keepAliveMs,
        retryInterval: 1_000,
        onsessioninitialized: () => void sessions.set(id, session),
      })
      const session: Session = { owner: caller.id, server: options.build(caller), transport, lastUsed: clock.now(), listening: 0 }
      transport.onclose = () => void sessions.delete(id)
      await session.server.connect(transport)
      return use(session, asked)
    },
    answer(id, asked) {
      const session = sessions.get(id)
      return session?.owner === asked.caller.id ? use(session, asked) : undefined
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
