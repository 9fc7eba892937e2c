/** The demo's two callers: a plain HTTP client, and an MCP client of a few lines over a real `routeplane mcp` process. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { RouteplaneError } from '../errors.ts'
import { childVariables } from '../config/environment.ts'
import type { Secret } from '../lib/log.ts'
import { isRecord, parseJson, tryParseJson } from '../lib/json.ts'
import { decodeSse } from '../lib/sse.ts'

export type DemoAnswer = {
  readonly text: string
  readonly provider: string
  readonly attempts: string
  readonly receiptId: string
}

export type DemoQuestion = { readonly model: string; readonly prompt: string }

export const MAX_TOKENS = 40

/** Streams one completion and hands its text on as it comes. */
export async function completeOverHttp(url: string, question: DemoQuestion, show: (text: string) => void): Promise<DemoAnswer> {
  const body = { model: question.model, stream: true, max_tokens: MAX_TOKENS, messages: [{ role: 'user', content: question.prompt }] }
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok || response.body === null)
    throw new RouteplaneError('internal', `the gateway answered ${response.status}: ${await response.text()}`)
  let text = ''
  for await (const event of decodeSse(response.body)) {
    const delta = 'data' in event ? textOf(tryParseJson(event.data)) : ''
    text += delta
    show(delta)
  }
  show('\n')
  const header = (name: string) => response.headers.get(`x-routeplane-${name}`) ?? ''
  return { text, provider: header('provider'), attempts: header('attempts'), receiptId: header('receipt') }
}

function textOf(chunk: unknown): string {
  const choice: unknown = isRecord(chunk) && Array.isArray(chunk.choices) ? chunk.choices[0] : undefined
  const delta = isRecord(choice) ? choice.delta : undefined
  return isRecord(delta) && typeof delta.content === 'string' ? delta.content : ''
}

/** What starts this very program as an MCP server, from wherever it runs. */
export function mcpCommand(configFile: string): { readonly command: string; readonly args: readonly string[] } {
  const [, entry = ''] = process.argv
  return { command: process.execPath, args: [...process.execArgv, entry, 'mcp', '-c', configFile] }
}

/** Starts this very program as an MCP server and calls its tool `complete`. */
export async function completeOverMcp(
  configFile: string,
  variables: Readonly<Record<string, Secret>>,
  question: DemoQuestion,
): Promise<DemoAnswer> {
  const { command, args } = mcpCommand(configFile)
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: childVariables(variables),
  })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const send = (message: Record<string, unknown>) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  try {
    send({
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'routeplane-demo', version: '1' } },
    })
    await answerTo(1, lines)
    send({ method: 'notifications/initialized' })
    const input = { ...question, max_output_tokens: MAX_TOKENS, max_cost_usd: '0.01' }
    send({ id: 2, method: 'tools/call', params: { name: 'complete', arguments: input } })
    return toAnswer(await answerTo(2, lines))
  } finally {
    child.stdin.end()
    await gone
  }
}

async function answerTo(id: number, lines: AsyncIterator<string>): Promise<unknown> {
  for (;;) {
    const step = await lines.next()
    if (step.done === true) throw new RouteplaneError('internal', 'the MCP server ended without an answer')
    const message = parseJson(step.value)
    if (isRecord(message) && message.id === id) return message.result
  }
}

function toAnswer(result: unknown): DemoAnswer {
  const content = isRecord(result) && isRecord(result.structuredContent) ? result.structuredContent : {}
  const text = (name: string) => (typeof content[name] === 'string' || typeof content[name] === 'number' ? String(content[name]) : '')
  if (isRecord(result) && result.isError === true) throw new RouteplaneError('internal', `complete failed: ${JSON.stringify(content)}`)
  return { text: text('text'), provider: text('provider'), attempts: text('attempts'), receiptId: text('receipt_id') }
}
