/** The scripted gateway behind the HTTP surface, with MCP mounted as the command mounts it. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { TOKEN, serve } from '../http/support.ts'
import { createMcpHttp, type McpHttpOptions } from '../../src/mcp/http.ts'
import type { Routeplane } from '../../src/routeplane.ts'
import { type Log, silentLog } from '../../src/lib/log.ts'
import type { Era } from './client.ts'
import { createGateway } from './gateway.ts'

export type McpServed = {
  readonly url: string
  readonly port: number
  /** As a client that speaks JSON-RPC by hand: its answer's status, headers and text. */
  post(body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>
  connect(era: Era, token?: string): Promise<Client>
  close(): Promise<void>
}

export async function serveMcp(
  options: Partial<McpHttpOptions> = {},
  log: Log = silentLog,
  gateway: Routeplane = createGateway(),
): Promise<McpServed> {
  const server = await serve(gateway, { log, mcp: async () => createMcpHttp(gateway, { log, version: '1.2.3', ...options }) })
  const url = `${server.url}/mcp`
  const authorization = `Bearer ${TOKEN}`
  return {
    url,
    port: server.port,
    post: (body, headers = {}) =>
      fetch(url, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { authorization, 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      }),
    async connect(era, token = TOKEN) {
      const mode = era === '2026-07-28' ? { pin: era } : 'legacy'
      const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
      await client.connect(
        new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${token}` } } }),
      )
      return client
    },
    close: () => server.close(),
  }
}

/** The JSON-RPC message in an answer, be it JSON or the last event of a stream. */
export async function messageOf(response: Response): Promise<Record<string, unknown>> {
  const body = await response.text()
  const events = body.split('\n').filter((line) => line.startsWith('data: {'))
  return JSON.parse(events.at(-1)?.slice('data: '.length) ?? body) as Record<string, unknown>
}
