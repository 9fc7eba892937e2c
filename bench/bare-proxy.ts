/** What Node itself can do: a proxy of node:http in front and undici behind, with nothing in between. */
import { createServer, type ServerResponse } from 'node:http'
import { Agent } from 'undici'

const [port = '', upstreamPort = ''] = process.argv.slice(2)
const agent = new Agent()
const origin = `http://127.0.0.1:${upstreamPort}`

/** Writes each piece as it comes, holding the upstream back while the caller is slow. */
function forward(path: string, body: Buffer, response: ServerResponse): void {
  agent.dispatch(
    { origin, path, method: 'POST', body, headers: { 'content-type': 'application/json' } },
    {
      onRequestStart(controller) {
        response.on('drain', () => controller.resume())
        response.on('close', () => {
          if (!response.writableFinished) controller.abort(new Error('the caller is gone'))
        })
      },
      onResponseStart(_controller, status, headers) {
        delete headers['transfer-encoding']
        delete headers['connection']
        response.writeHead(status, headers)
      },
      onResponseData(controller, piece) {
        if (!response.write(piece)) controller.pause()
      },
      onResponseEnd() {
        response.end()
      },
      onResponseError() {
        response.destroy()
      },
    },
  )
}

createServer((request, response) => {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => forward(request.url ?? '/', Buffer.concat(pieces), response))
}).listen(Number(port), '127.0.0.1')
