/** Serves an offer to change protocols that nobody takes up as if it had not been made, and requests of our own over no network. */
import { request, type IncomingMessage, type Server } from 'node:http'
import { Duplex, PassThrough } from 'node:stream'

/** Fields that make the offer; an h2c client also sends its settings. @see RFC 9110, section 7.8; RFC 7540, section 3.2.1 */
const OFFER = /^(?:upgrade|http2-settings)$/i

/**
 * Gives a connection whose request offered an upgrade back to the server, without the offer: who listens for upgrades gets
 * all of them, and Node has no way to say no. Everything that had been read of the connection is read again.
 *
 * @param head - What followed the request's head, as the `upgrade` event gives it.
 */
export function declineUpgrade(server: Server, incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method = 'GET', url = '/', httpVersion, rawHeaders } = incoming
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
    const kept = name.toLowerCase() === 'connection' ? withoutOffer(value) : value
    if (!OFFER.test(name) && kept !== '') lines.push(`${name}: ${kept}`)
  }
  // As Node has read it: one byte a character.
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit('connection', socket)
}

function withoutOffer(tokens: string): string {
  const kept = tokens.split(',').map((token) => token.trim())
  return kept.filter((token) => token !== '' && !OFFER.test(token)).join(', ')
}

export type OwnRequest = {
  readonly path: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Uint8Array
  readonly signal: AbortSignal
}

/** Sends a POST to a server of this process, which takes it as any other. @see Node HTTP, "Event: 'connection'" */
export function postInside(server: Server, { path, headers, body, signal }: OwnRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const [near, far] = createPipe()
    const own = { ...headers, connection: 'close', 'content-length': String(body.byteLength) } as Record<string, string | string[]>
    const call = request({ method: 'POST', path, headers: own, signal, createConnection: () => near })
    call.once('response', resolve)
    call.once('error', reject)
    call.end(body)
    server.emit('connection', far)
  })
}

/** Two ends of one connection. */
function createPipe(): readonly [Duplex, Duplex] {
  const [up, down] = [new PassThrough(), new PassThrough()]
  return [Duplex.from({ readable: down, writable: up }), Duplex.from({ readable: up, writable: down })]
}
