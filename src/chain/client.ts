/** The connection to one network's node: made at first use, checked to be the right chain, its failures in our words. */
import type { PublicClient } from 'viem'
import { RouteplaneError } from '../errors.ts'
import { chainIdOf } from './networks.ts'

export type ChainConnection = {
  readonly network: string
  /**
   * Runs one read.
   *
   * @throws {@link RouteplaneError} `upstream_unreachable` when the node fails, `unknown_asset` when there is no such
   *   contract, `config_invalid` when the node serves another chain. Never an empty answer in place of a failure.
   */
  read<T>(what: string, call: (client: PublicClient) => Promise<T>): Promise<T>
}

const TIMEOUT_MS = 10_000

/** viem is imported by the first read: knowing of a chain costs nothing. */
export function connect(network: string, rpcUrl: string): ChainConnection {
  const chainId = chainIdOf(network)
  const host = hostOf(rpcUrl)
  let client: Promise<PublicClient> | undefined
  const open = async (): Promise<PublicClient> => {
    const { createPublicClient, http } = await import('viem')
    const fresh = createPublicClient({ transport: http(rpcUrl, { timeout: TIMEOUT_MS, retryCount: 1 }), cacheTime: 0 })
    const served = await fresh.getChainId()
    if (served === chainId) return fresh
    throw new RouteplaneError('config_invalid', `the node at ${host} serves chain ${served}, not ${network}`, {
      hint: 'Configure the RPC URL of the network that the wallet pays on.',
    })
  }
  return {
    network,
    read: async (what, call) => {
      const opening = (client ??= open())
      try {
        const ready = await opening
        return await call(ready)
      } catch (thrown) {
        if (client === opening && (await isRejected(opening))) client = undefined
        throw toChainError(thrown, what, network, host)
      }
    },
  }
}

/** The node's own text is left out: viem quotes the URL, whose path is often somebody's API key. */
function toChainError(thrown: unknown, what: string, network: string, host: string): RouteplaneError {
  if (thrown instanceof RouteplaneError) return thrown
  const names = errorNames(thrown)
  if (names.includes('ContractFunctionZeroDataError') || names.includes('AbiDecodingZeroDataError')) {
    return new RouteplaneError('unknown_asset', `${what}: there is no such token on ${network}`, { details: { network } })
  }
  // Whatever a call fails with is called so, also that nobody has answered it.
  if (names.includes('ExecutionRevertedError') || (names.includes('CallExecutionError') && names.includes('RpcRequestError')))
    return new RouteplaneError('upstream_error', `${what}: the contract on ${network} would refuse this now`, {
      details: { network, host },
    })
  return new RouteplaneError('upstream_unreachable', `${what}: the node of ${network} did not answer`, {
    details: { network, host, what, reason: names[names.length - 1] ?? 'unknown' },
  })
}

/** Gives the names of an error and its causes, outermost first. */
export function errorNames(thrown: unknown): readonly string[] {
  const names: string[] = []
  for (let error = thrown; error instanceof Error && names.length < 10; error = error.cause) names.push(error.name)
  return names
}

async function isRejected(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => false,
    () => true,
  )
}

function hostOf(rpcUrl: string): string {
  if (!URL.canParse(rpcUrl)) throw new RouteplaneError('config_invalid', 'the RPC URL is not a URL')
  const url = new URL(rpcUrl)
  if (url.protocol === 'http:' || url.protocol === 'https:') return url.host
  throw new RouteplaneError('config_invalid', `an RPC URL must be http or https, not ${url.protocol.slice(0, 20)}`)
}
