/** A market with one provider for each way of paying, on two local chains: a stand-in for Base Sepolia and one for Tempo. */
import { getAddress } from 'viem'
import { randomBytesOf } from '../lib/id.ts'
import { installChannelContracts } from './channel-contracts.ts'
import { startChannelProvider } from './channel-provider.ts'
import { evmCharge, tempoCharge, type MppMethod } from './mpp-method.ts'
import { startMppProvider } from './mpp-provider.ts'
import { startDemoNetwork, type DemoNetwork } from './network.ts'
import { approvePermits, installPermitContracts } from './permit-contracts.ts'
import { startPermitProvider } from './permit-provider.ts'
import type { PriceList } from './price-list.ts'
import { allowReserve, startSessionProvider } from './session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from './tempo-network.ts'

/** One provider, and what its manifest says of being paid. */
export type Stall = {
  readonly id: string
  readonly baseUrl: string
  readonly modelsUrl: string
  readonly payTo: `0x${string}`
  readonly mode: 'x402' | 'mpp'
  readonly scheme: string
  /** CAIP-2. */
  readonly network: string
  /** The scheme in words. */
  readonly title: string
  stop(): Promise<void>
}

export type SchemeMarket = {
  readonly base: DemoNetwork
  readonly tempo: TempoNetwork
  readonly stalls: readonly Stall[]
  stop(): Promise<void>
}

type Chains = Pick<SchemeMarket, 'base' | 'tempo'>
type Opened = Pick<Stall, 'baseUrl' | 'modelsUrl' | 'payTo' | 'stop'>
type StallKind = Pick<Stall, 'id' | 'mode' | 'scheme' | 'title'> & {
  readonly chain: keyof Chains
  open(chains: Chains, id: string): Promise<Opened>
}

const prices: PriceList = { prompt: '0.000001', completion: '0.000005' }

/** One row for each way of paying; whoever adds a scheme adds its row here. */
const kinds: readonly StallKind[] = [
  {
    id: 'by-exact',
    mode: 'x402',
    scheme: 'exact',
    title: 'x402 exact, EIP-3009',
    chain: 'base',
    open: async ({ base }, id) => ({ ...(await base.startProvider({ id, prices })) }),
  },
  { id: 'by-permit', mode: 'x402', scheme: 'exact', title: 'x402 exact, Permit2', chain: 'base', open: permitStall('exact') },
  { id: 'by-upto', mode: 'x402', scheme: 'upto', title: 'x402 upto', chain: 'base', open: permitStall('upto') },
  {
    id: 'by-channel',
    mode: 'x402',
    scheme: 'batch-settlement',
    title: 'x402 batch-settlement',
    chain: 'base',
    open: ({ base: { asset, facilitator } }, id) =>
      startChannelProvider({ id, prices, payTo: randomAddress(), facilitator: facilitator.client, asset }),
  },
  {
    id: 'by-charge',
    mode: 'mpp',
    scheme: 'evm/charge',
    title: 'MPP evm/charge',
    chain: 'base',
    open: ({ base: { asset, facilitator } }, id) =>
      chargeStall(id, evmCharge({ asset, payTo: randomAddress(), facilitator: facilitator.client })),
  },
  {
    id: 'by-tempo',
    mode: 'mpp',
    scheme: 'tempo/charge',
    title: 'MPP tempo/charge',
    chain: 'tempo',
    open: async ({ tempo }, id) => chargeStall(id, await tempoCharge({ network: tempo, payTo: randomAddress() })),
  },
  {
    id: 'by-session',
    mode: 'mpp',
    scheme: 'tempo/session',
    title: 'MPP tempo/session',
    chain: 'tempo',
    async open({ base: { payer }, tempo }, id) {
      const provider = await startSessionProvider({ id, network: tempo, prices })
      await allowReserve(tempo, payer.address)
      return provider
    },
  },
]

function permitStall(scheme: 'exact' | 'upto'): StallKind['open'] {
  return ({ base: { asset, facilitator } }, id) =>
    startPermitProvider({ id, scheme, prices, payTo: randomAddress(), facilitator: facilitator.client, asset })
}

function chargeStall(id: string, method: MppMethod): Promise<Opened> {
  return startMppProvider({ id, prices, methods: [method] })
}

/** What the wallet gets on each chain, in base units, and what Permit2 may take of it. */
const FUNDS = 10_000_000n
const ALLOWANCE = 1_000_000n

/** Starts everything, and stops what has started when a later step fails. */
export async function startSchemeMarket(anvilInstalledIn?: string): Promise<SchemeMarket> {
  const where = anvilInstalledIn === undefined ? {} : { anvilInstalledIn }
  const started: { stop(): Promise<void> }[] = []
  const stop = async () => {
    for (const each of started.toReversed()) await each.stop()
  }
  try {
    const base = await startDemoNetwork(where)
    started.push(base)
    const tempo = await startTempoNetwork(where)
    started.push(tempo)
    const { rpc } = base.anvil
    await installChannelContracts(rpc)
    await installPermitContracts(rpc, anvilInstalledIn)
    await approvePermits(rpc, base.asset.address, base.payer.address, ALLOWANCE)
    await tempo.mint(base.payer.address, FUNDS as Parameters<TempoNetwork['mint']>[1])
    const chains = { base, tempo }
    const stalls: Stall[] = []
    for (const { open, chain, ...kind } of kinds) {
      const opened = await open(chains, kind.id)
      started.push(opened)
      const { baseUrl, modelsUrl, payTo } = opened
      stalls.push({ ...kind, baseUrl, modelsUrl, payTo, network: chains[chain].network, stop: opened.stop })
    }
    return { base, tempo, stalls, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function randomAddress(): `0x${string}` {
  return getAddress(`0x${Buffer.from(randomBytesOf(20)).toString('hex')}`)
}
