/** Ways to talk to the server process: the official client in both eras of the protocol, and bare lines. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { programOf } from '../support/program.ts'

const args = [programOf('test/mcp/stdio-server.ts')]

/** The last revision with a handshake, and the first without one. */
export const eras = ['2025-11-25', '2026-07-28'] as const
export type Era = (typeof eras)[number]

export type Connected = {
  readonly client: Client
  readonly stderr: () => string
  readonly errors: readonly Error[]
  close(): Promise<void>
}

export async function connectClient(era: Era): Promise<Connected> {
  const transport = new StdioClientTransport({ command: process.execPath, args, stderr: 'pipe' })
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy'
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
  const errors: Error[] = []
  client.onerror = (error) => errors.push(error)
  let stderr = ''
  transport.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await client.connect(transport)
  return { client, stderr: () => stderr, errors, close: () => client.close() }
}

export type Process = {
  readonly child: ChildProcessWithoutNullStreams
  readonly stdout: readonly string[]
  readonly stderr: () => string
  send(message: unknown): void
  /** The answer with this id, as soon as it is there. */
  answer(id: unknown): Promise<Record<string, unknown>>
  /** Resolves once stderr holds the text. */
  said(text: string): Promise<void>
  /** The exit code, or the name of the signal that ended the process. */
  readonly ended: Promise<number | string>
}

/** @param program - The words after `node`; the scripted server unless given. */
export function startProcess(program: readonly string[] = args, env: NodeJS.ProcessEnv = process.env): Process {
  const child = spawn(process.execPath, program, { env })
  const stdout: string[] = []
  let stderr = ''
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => stdout.push(line))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin.on('error', () => {})
  const find = (id: unknown) => stdout.map((line) => JSON.parse(line) as Record<string, unknown>).find((message) => message.id === id)
  return {
    child,
    stdout,
    stderr: () => stderr,
    send: (message) => void child.stdin.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
    answer: async (id) => {
      for (;;) {
        const found = find(id)
        if (found !== undefined) return found
        await once(lines, 'line')
      }
    },
    said: async (text) => {
      while (!stderr.includes(text)) await once(child.stderr, 'data')
    },
    ended: once(child, 'close').then(([code, signal]) => (code as number | null) ?? (signal as string)),
  }
}

/** Opens a 2025 connection by hand. */
export async function initialize(process: Process): Promise<void> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
  process.send({ jsonrpc: '2.0', id: 'init', method: 'initialize', params })
  await process.answer('init')
  process.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
}

export const call = (id: unknown, name: string, input: unknown, more: object = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: input, ...more },
})
