/** Calls one JSON-RPC method of a local node. */
import { RouteplaneError } from '../errors.ts'
import { isRecord, parseJson } from '../lib/json.ts'

/** @throws RouteplaneError `upstream_unreachable` when the node does not answer, `upstream_error` when it answers an error. */
export type Rpc = (method: string, params?: readonly unknown[]) => Promise<unknown>

/** Makes the caller of a node's JSON-RPC. Only for loopback: nothing is limited in time or size. */
export function createRpc(url: string): Rpc {
  return async (method, params = []) => {
    const text = await send(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), method)
    const answer = parseJson(text)
    if (!isRecord(answer)) throw new RouteplaneError('upstream_error', `${method} answered something that is not JSON-RPC`)
    const error = answer['error']
    if (isRecord(error)) throw new RouteplaneError('upstream_error', `${method} failed: ${String(error['message']).slice(0, 200)}`)
    return answer['result']
  }
}

async function send(url: string, body: string, method: string): Promise<string> {
  try {
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return await response.text()
  } catch (cause) {
    throw new RouteplaneError('upstream_unreachable', `${method}: the local node did not answer`, { cause })
  }
}
