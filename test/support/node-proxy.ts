/** Stands before a chain's node on a port of its own: passes calls on, answers some itself, hangs up as a node that is down, or never answers. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Rpc } from '../../src/demo/rpc.ts'

/** What is answered in the node's place; `undefined` lets the call pass. */
export type NodeAnswer = (method: string, params: unknown[]) => object | 'hang-up' | 'silence' | undefined

/** Ends when the test has finished. @returns the URL, without a path. */
export async function startNodeProxy(rpc: Rpc, answer: NodeAnswer): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const call = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { id: number; method: string; params?: unknown[] }
      const { id, method, params = [] } = call
      const replaced = answer(method, params)
      if (replaced === 'hang-up') return void request.socket.destroy()
      if (replaced === 'silence') return
      const result =
        replaced === undefined ? rpc(method, params).then((value) => ({ result: value }), refusalOf) : Promise.resolve(replaced)
      void result.then((body) => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ jsonrpc: '2.0', id, ...body }))
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function refusalOf(error: unknown): object {
  return { error: { code: -32000, message: error instanceof Error ? error.message : String(error) } }
}
