/** A gateway that sells on a Tempo network that plays the real one, and callers with the official client of the protocol. */
import { Mppx, sessionManager, tempo } from 'mppx/client'
import { createClient, http } from 'viem'
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { tempoModerato } from 'viem/chains'
import { afterAll, beforeAll } from 'vitest'
import { startReserveNode } from '../../src/demo/reserve-node.ts'
import { allowReserve } from '../../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import type { Atomic } from '../../src/money.ts'
import { createBuyer, writeKeyedShop, type ShopOptions } from './shop.ts'
import type { Answer, Script, SeenRequest } from './upstream.ts'

/** Call at the top of a file; the network is there from the first hook of the tests on. Its reserve is the stand-in. */
export function useTempoNetwork(): () => TempoNetwork {
  let network: TempoNetwork | undefined
  let stop = (): void => {}
  beforeAll(async () => {
    const started = await startTempoNetwork()
    const node = await startReserveNode(started)
    stop = node.stop
    network = { ...started, rpcUrl: node.url }
  })
  afterAll(async () => {
    stop()
    await network?.stop()
  })
  return () => {
    if (network === undefined) throw new Error('the network is only there inside tests and hooks')
    return network
  }
}

/** What the provider answers, a token each. */
export const words = ['how ', 'are ', 'you ', 'today?']
const event = (body: object) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'echo', ...body })}\n\n`
export const said = (content: string) => event({ choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }] })
const usageOf = (tokens: number) => ({ prompt_tokens: 3, completion_tokens: tokens, total_tokens: 3 + tokens })
/** A whole stream of so many tokens. */
export const spoken = (tokens: readonly string[]): Answer => {
  const last = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: usageOf(tokens.length) })
  return { stream: [...tokens.map(said), `${last}data: [DONE]\n\n`] }
}
export const script = ({ json }: Pick<SeenRequest, 'json'>): Answer =>
  (json as { stream?: boolean }).stream === true
    ? spoken(words)
    : {
        json: {
          id: 'c',
          object: 'chat.completion',
          created: 1,
          model: 'echo',
          choices: [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }],
          usage: usageOf(words.length),
        },
      }
/** What a seller charges for it: three tokens in, four out, and five per cent; in base units, rounded up. */
export const COST = 242n

/** Sells what a provider with a key serves, for dollars of Tempo; the key that ends channels can pay for it. */
export async function writeTempoShop(network: TempoNetwork, script: Script, options: Partial<ShopOptions> = {}) {
  const charge = [`networks: ["${network.network}"]`, ...(options.charge ?? [])]
  const shop = await writeKeyedShop(network, script, { ...options, charge })
  const operator = privateKeyToAccount(shop.world.variables['TEST_FACILITATOR_KEY'] as `0x${string}`)
  await network.mint(operator.address, 10_000_000n as Atomic)
  return { ...shop, operator }
}

/** A caller with dollars of Tempo, whose channels the stand-in may fill. */
export async function createTempoBuyer(network: TempoNetwork): Promise<PrivateKeyAccount> {
  const buyer = await createBuyer(network)
  await allowReserve(network, buyer.address)
  return buyer
}

const clientOf =
  ({ rpcUrl }: TempoNetwork, account: PrivateKeyAccount) =>
  () =>
    createClient({ account, chain: tempoModerato, transport: http(rpcUrl), pollingInterval: 25 })

/** The official client's way to pay for each request by itself. */
export const chargeMethod = (network: TempoNetwork, account: PrivateKeyAccount) =>
  tempo.charge({ account, getClient: clientOf(network, account) })

export function chargeClient(network: TempoNetwork, account: PrivateKeyAccount, send: typeof fetch = fetch) {
  return Mppx.create({ polyfill: false, fetch: send, methods: [chargeMethod(network, account)] })
}

/** The official client, which keeps a channel open from request to request. */
export function sessionClient(network: TempoNetwork, account: PrivateKeyAccount, maxDeposit = '1', send: typeof fetch = fetch) {
  return Mppx.create({
    polyfill: false,
    fetch: send,
    methods: [tempo.session({ account, getClient: clientOf(network, account), maxDeposit })],
  })
}

/** The official client's channel with one seller, opened at the first request and ended by `close`. */
export function managedSession(network: TempoNetwork, account: PrivateKeyAccount, maxDeposit = '1', send: typeof fetch = fetch) {
  return sessionManager({ account, getClient: clientOf(network, account), maxDeposit, fetch: send })
}
