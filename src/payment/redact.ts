/** Takes our own keys out of what a provider says when it refuses: some say back the very key they did not like. */
import type { HttpResponse } from '../lib/http-call.ts'

/** More of an error is never read. */
const MAX_BYTES = 256 * 1024
/** Shorter values stand in ordinary words, and are no keys. */
const MIN_LENGTH = 8

/** Gives the answer as it is when it is good; else with every one of `secrets` blanked, whatever form a key has. */
export function withoutSecrets(response: HttpResponse, secrets: readonly string[]): HttpResponse {
  const own = secrets.filter(({ length }) => length >= MIN_LENGTH)
  if (own.length === 0 || (response.status >= 200 && response.status < 300)) return response
  return { ...response, body: blank(response.body, own) }
}

/** Gathers first: a key may be cut in two by the network. */
async function* blank(body: AsyncIterable<Uint8Array>, secrets: readonly string[]): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_BYTES) break
  }
  // Latin-1 keeps every byte as it was; the secrets are spelt in the same bytes.
  const text = Buffer.concat(chunks).toString('latin1')
  const blanked = secrets.reduce((rest, secret) => rest.replaceAll(Buffer.from(secret).toString('latin1'), '[api-key]'), text)
  yield Buffer.from(blanked, 'latin1')
}
