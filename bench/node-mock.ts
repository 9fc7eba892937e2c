/** The mock provider on Node, where no C compiler is: the same answers as native/mock.c, an order of magnitude slower. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const head = { id: 'chatcmpl-bench-0001', created: 1_760_000_000, model: 'bench-model' }
const usage = { prompt_tokens: 12, completion_tokens: 90, total_tokens: 102 }
const message = { role: 'assistant', content: 'xxxxxxx '.repeat(100) }
const whole = JSON.stringify({ ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }], usage })

const event = (choices: readonly unknown[], more = {}) =>
  `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...more })}\n\n`
const choice = (delta: unknown, finish: string | null) => [{ index: 0, delta, finish_reason: finish }]
const first = event(choice({ role: 'assistant', content: '' }, null))
const next = event(choice({ content: '~tok~ word' }, null))
const last = `${event(choice({}, 'stop'))}${event([], { usage })}data: [DONE]\n\n`

/** As fast as the socket takes them. */
function flood(response: ServerResponse, chunks: number): void {
  let left = chunks
  const more = () => {
    while (left > 0 && !response.destroyed) {
      const count = Math.min(left, 64)
      left -= count
      if (!response.write(next.repeat(count)) && left > 0) {
        response.once('drain', more)
        return
      }
    }
    response.end(last)
  }
  more()
}

/** One timer for all paced streams would be finer; at the bench's 64 streams one each is enough. */
function pace(response: ServerResponse, chunks: number, gapMs: number): void {
  let left = chunks
  const timer = setInterval(() => {
    response.write(next)
    if (--left > 0 && !response.destroyed) return
    clearInterval(timer)
    response.end(last)
  }, gapMs)
}

const server = createServer((request, response) => {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => {
    const body = Buffer.concat(pieces).toString()
    if (!/"stream": ?true/.test(body)) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(whole) }).end(whole)
      return
    }
    const chunks = Number(/chunks=(\d+)/.exec(body)?.[1] ?? 1)
    const gapUs = Number(/gap_us=(\d+)/.exec(body)?.[1] ?? 0)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(first)
    if (gapUs === 0) flood(response, chunks)
    else setTimeout(() => pace(response, chunks, gapUs / 1000), Number(/first_us=(\d+)/.exec(body)?.[1] ?? 0) / 1000)
  })
})

server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
