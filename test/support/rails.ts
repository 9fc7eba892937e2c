/** The schemes a provider is paid by, each with a network of its own, and with sellers made of the official packages. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FacilitatorClient } from '@x402/core/server'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { startChannelProvider } from '../../src/demo/channel-provider.ts'
import { evmCharge, tempoCharge, type MppMethod } from '../../src/demo/mpp-method.ts'
import { startMppProvider } from '../../src/demo/mpp-provider.ts'
import { startDemoNetwork, type DemoNetwork } from '../../src/demo/network.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { startPermitProvider } from '../../src/demo/permit-provider.ts'
import { allowReserve, startSessionProvider } from '../../src/demo/session-provider.ts'
import { startTempoNetwork } from '../../src/demo/tempo-network.ts'
import { randomHex } from './chain.ts'
import { startElderSeller } from './elder-seller.ts'
import type { SellerEntry, WorldNetwork } from './engine.ts'
import type { OfferWire } from './offers.ts'

/** What a rail's own seller can do wrong; all else is done on the way, by a relay. */
export type RailFaults = {
  /** Whoever settles takes so long for it. Milliseconds. */
  readonly lateMs?: number
  /** Ends a stream after so many events. Only a seller that is paid while it streams does it itself. */
  readonly cutAfter?: number
  /** Changes the text of a stream, event by event; as `cutAfter`. */
  readonly mutateEvent?: (event: string) => string
}

export type Rail = {
  readonly scheme: string
  readonly wire: OfferWire
  /** Paid while it streams: no relay may hold its stream back to read it whole. */
  readonly metered?: true
  open(): Promise<Ground>
}

/** A network with a way to be paid on it. */
export type Ground = {
  readonly network: WorldNetwork & { stop(): Promise<void> }
  startSeller(id: string, faults?: RailFaults): Promise<SellerEntry & { stop(): Promise<void> }>
  /** What a payer does once, before anybody can be paid this way. */
  prepare(payer: `0x${string}`): Promise<void>
}

const prices = { prompt: '0.000001', completion: '0.000005' }
const nothing = async () => {}

/** Passes every settlement on, after a while. */
function late(client: FacilitatorClient, ms: number | undefined): FacilitatorClient {
  if (ms === undefined) return client
  return {
    verify: (payload, requirements) => client.verify(payload, requirements),
    getSupported: () => client.getSupported(),
    settle: async (payload, requirements) => {
      await sleep(ms)
      return client.settle(payload, requirements)
    },
  }
}

async function openBase(
  startSeller: (network: DemoNetwork, id: string, facilitator: FacilitatorClient) => ReturnType<Ground['startSeller']>,
  install: (network: DemoNetwork) => Promise<void> = nothing,
  prepare: (network: DemoNetwork, payer: `0x${string}`) => Promise<void> = nothing,
): Promise<Ground> {
  const network = await startDemoNetwork()
  await install(network)
  return {
    network,
    startSeller: (id, { lateMs } = {}) => startSeller(network, id, late(network.facilitator.client, lateMs)),
    prepare: (payer) => prepare(network, payer),
  }
}

const startPermits = (scheme: 'exact' | 'upto') => () =>
  openBase(
    ({ asset }, id, facilitator) => startPermitProvider({ id, scheme, prices, payTo: randomHex(20), facilitator, asset }),
    ({ anvil }) => installPermitContracts(anvil.rpc),
    ({ anvil, asset }, payer) => approvePermits(anvil.rpc, asset.address, payer, 1_000_000n),
  )

async function startMpp(id: string, method: MppMethod) {
  return { ...(await startMppProvider({ id, prices, methods: [method] })), mode: 'mpp' as const }
}

async function openCharges(): Promise<Ground> {
  const network = await startTempoNetwork()
  const startSeller: Ground['startSeller'] = async (id) => startMpp(id, await tempoCharge({ network, payTo: randomHex(20) }))
  return { network, startSeller, prepare: nothing }
}

async function openSessions(): Promise<Ground> {
  const network = await startTempoNetwork()
  return {
    network,
    startSeller: (id, { cutAfter, mutateEvent } = {}) => {
      const faults = { ...(cutAfter === undefined ? {} : { cutAfter }), ...(mutateEvent === undefined ? {} : { mutateEvent }) }
      return startSessionProvider({ id, network, prices, faults })
    },
    prepare: (payer) => allowReserve(network, payer),
  }
}

export const rails = [
  {
    scheme: 'exact over EIP-3009',
    wire: 'x402-2',
    open: () => openBase((network, id, facilitator) => network.startProvider({ id, prices, facilitator })),
  },
  { scheme: 'exact over Permit2', wire: 'x402-2', open: startPermits('exact') },
  { scheme: 'upto', wire: 'x402-2', open: startPermits('upto') },
  {
    scheme: 'batch-settlement',
    wire: 'x402-2',
    open: () =>
      openBase(
        async ({ asset }, id, facilitator) => {
          const seller = await startChannelProvider({ id, prices, payTo: randomHex(20), facilitator, asset })
          return { ...seller, schemes: ['batch-settlement'] }
        },
        ({ anvil }) => installChannelContracts(anvil.rpc),
      ),
  },
  {
    scheme: 'x402 version 1',
    wire: 'x402-1',
    open: () => openBase((network, id, facilitator) => startElderSeller(network, { id, facilitator })),
  },
  {
    scheme: 'evm/charge',
    wire: 'mpp',
    open: () => openBase(({ asset }, id, facilitator) => startMpp(id, evmCharge({ asset, payTo: randomHex(20), facilitator }))),
  },
  { scheme: 'tempo/charge', wire: 'mpp', open: openCharges },
  { scheme: 'tempo/session', wire: 'mpp', metered: true, open: openSessions },
] as const satisfies readonly Rail[]

export type SchemeName = (typeof rails)[number]['scheme']
