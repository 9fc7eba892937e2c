/** The connection to one Solana network's node: JSON-RPC in bounded time and size, checked to be the right network. */
import { RouteplaneError } from '../../errors.ts'
import { readBody } from '../../lib/http-call.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'

/**
 * Calls one method.
 *
 * @throws RouteplaneError `upstream_unreachable` when the node fails or refuses, `config_invalid` when it serves another network.
 *   Never an empty answer in place of a failure.
 */
export type SolanaRpc = (method: string, params: readonly unknown[]) => Promise<unknown>

const TIMEOUT_MS = 10_000
/** A thousand signatures are a quarter of a megabyte. */
const MAX_BYTES = 4 * 1024 * 1024

/** The node is asked for its genesis hash before the first call, and again after it failed to say it. */
export function connectSolana(network: string, rpcUrl: string): SolanaRpc {
  const host = hostOf(rpcUrl)
  let checked: Promise<void> | undefined
  const call: SolanaRpc = async (method, params) => {
    const answer = await post(rpcUrl, { jsonrpc: '2.0', id: 1, method, params }).catch((thrown: unknown) => {
      throw failed(network, host, method, thrown instanceof Error ? thrown.name : 'unknown')
    })
    if (isRecord(answer) && 'result' in answer) return answer['result']
    const code = isRecord(answer) && isRecord(answer['error']) ? String(answer['error']['code']).slice(0, 20) : 'no JSON-RPC'
    throw failed(network, host, method, code)
  }
  return async (method, params) => {
    checked ??= checkGenesis(call, network, host)
    await checked.catch((error: unknown) => {
      checked = undefined
      throw error
    })
    return call(method, params)
  }
}

/** A CAIP-2 id of Solana is the beginning of its genesis hash. @see https://github.com/ChainAgnostic/namespaces/blob/main/solana/caip2.md */
async function checkGenesis(call: SolanaRpc, network: string, host: string): Promise<void> {
  const genesis = await call('getGenesisHash', [])
  if (typeof genesis === 'string' && genesis.startsWith(network.slice('solana:'.length))) return
  throw new RouteplaneError('config_invalid', `the node at ${host} serves another network than ${network}`, {
    hint: 'Configure the RPC URL of the network that the wallet pays on.',
  })
}

async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (response.body === null) return undefined
  return tryParseJson(await readBody({ body: response.body }, MAX_BYTES))
}

/** The node's own words are left out, and its URL, whose path is often somebody's API key. */
function failed(network: string, host: string, method: string, reason: string): RouteplaneError {
  return new RouteplaneError('upstream_unreachable', `${method}: the node of ${network} did not answer`, {
    details: { network, host, what: method, reason },
  })
}

function hostOf(rpcUrl: string): string {
  const url = URL.canParse(rpcUrl) ? new URL(rpcUrl) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.host
  throw new RouteplaneError('config_invalid', 'the RPC URL is not an http or https URL')
}
