/** A clock that only moves when told, and a chain in memory that obeys it: for histories no real chain would go through in seconds. */
import type { CancelSignal } from '../../src/lib/cancel.ts'
import type { Chain, ChannelOnChain, TransferEvidence } from '../../src/chain/chain.ts'
import { RouteplaneError } from '../../src/errors.ts'
import type { Clock } from '../../src/lib/clock.ts'
import type { Atomic } from '../../src/money.ts'
import type { Signed } from '../support/authorization.ts'

export const NETWORK = 'eip155:84532'

const SAFE_AFTER = 12n

export type VirtualClock = Clock & {
  /** Moves on to the next sleeper and wakes it. @returns `false` when nobody sleeps. */
  step(): boolean
  advance(ms: number): void
  /** The clock of one process: its sleepers never wake once it has been ended. */
  ofProcess(): { readonly clock: Clock; end(): void }
}

type Sleeper = { readonly at: number; readonly wake: () => void }

export function createVirtualClock(start: number): VirtualClock {
  let now = start
  const sleepers = new Set<Sleeper>()
  const wakeUntil = (time: number): void => {
    for (;;) {
      const next = [...sleepers].filter(({ at }) => at <= time).toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      now = Math.max(now, next.at)
      sleepers.delete(next)
      next.wake()
    }
    now = Math.max(now, time)
  }
  const sleep = (ms: number, signal: CancelSignal | undefined, isOver: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error)
      const onAbort = () => sleepers.delete(sleeper) && !isOver() && reject(signal?.reason as Error)
      const wake = () => {
        signal?.removeEventListener('abort', onAbort)
        if (!isOver()) resolve()
      }
      const sleeper = { at: now + ms, wake }
      sleepers.add(sleeper)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: (ms, signal) => sleep(ms, signal, () => false) }
  return {
    ...clock,
    step() {
      const next = [...sleepers].toSorted((a, b) => a.at - b.at)[0]
      if (next !== undefined) wakeUntil(next.at)
      return next !== undefined
    },
    advance: (ms) => wakeUntil(now + ms),
    ofProcess() {
      let over = false
      return { clock: { ...clock, sleep: (ms, signal) => sleep(ms, signal, () => over) }, end: () => void (over = true) }
    },
  }
}

export type MemoryChain = Chain & {
  /** A chain that is down answers nothing, which proves nothing. */
  down: boolean
  readonly transfers: readonly TransferEvidence[]
  /** Moves the money if the token would: once, and before the authorization dies. */
  cash(signed: Signed): boolean
  isUsed(nonce: string): boolean
  /** Takes back every transfer of the blocks that are not safe yet. */
  reorganise(): void
  /** Nonces of what was ever taken back. */
  readonly takenBack: ReadonlySet<string>
  readonly nowSeconds: () => bigint
}

const notHere = () => Promise.reject(new Error('nobody sends a transaction here'))

const empty: ChannelOnChain = { balance: 0n as Atomic, claimed: 0n as Atomic }

/** @param channelOf - What lies in a payment channel; nothing unless given. */
export function createMemoryChain(clock: Clock, funds: bigint, channelOf: (id: string) => ChannelOnChain = () => empty): MemoryChain {
  const transfers: TransferEvidence[] = []
  const takenBack = new Set<string>()
  const nowSeconds = () => BigInt(Math.floor(clock.now() / 1000))
  const isUsed = (nonce: string) => transfers.some((transfer) => transfer.nonce === nonce)
  const latest = () => ({ number: nowSeconds(), timestampSeconds: nowSeconds() })
  /** A block is safe once it is so many seconds old; there is one a second. */
  const safe = () => ({ number: nowSeconds() - SAFE_AFTER, timestampSeconds: nowSeconds() - SAFE_AFTER })
  const read = async <T>(value: () => T): Promise<T> => {
    await Promise.resolve()
    if (chain.down) throw new RouteplaneError('upstream_unreachable', 'the node does not answer')
    return value()
  }
  const chain: MemoryChain = {
    network: NETWORK,
    down: false,
    transfers,
    nowSeconds,
    isUsed,
    takenBack,
    reorganise() {
      const gone = transfers.filter(({ blockNumber }) => blockNumber > safe().number)
      for (const { nonce } of gone) takenBack.add(nonce ?? '')
      transfers.splice(0, transfers.length, ...transfers.filter((transfer) => !gone.includes(transfer)))
    },
    cash(signed) {
      const spent = transfers.reduce((sum, { amount }) => sum + amount, 0n)
      if (isUsed(signed.nonce) || nowSeconds() >= signed.validBeforeSeconds || spent + signed.value > funds) return false
      const place = { transaction: signed.nonce, blockNumber: nowSeconds(), logIndex: transfers.length }
      transfers.push({ ...place, amount: signed.value as Atomic, payer: signed.from, payee: signed.to, nonce: signed.nonce })
      return true
    },
    channel: (id) => read(() => channelOf(id)),
    balanceOf: () => read(() => (funds - transfers.reduce((sum, { amount }) => sum + amount, 0n)) as Atomic),
    authorizationState: (_, __, nonce) => read(() => (isUsed(nonce) ? 'used' : 'unused')),
    latestBlock: () => read(latest),
    safeBlock: () => read(safe),
    findTransfer: (query) =>
      read(() => transfers.find(({ nonce, transaction }) => nonce === query.nonce && (query.transaction ?? transaction) === transaction)),
    findCancellation: () => read(() => undefined),
    allowanceOf: async () => 0n as Atomic,
    quoteTransaction: notHere,
    leaveNonce: async () => undefined,
    sendTransaction: notHere,
    permitState: async () => 'unused',
    findPermitTransfer: async () => undefined,
    findMemoTransfer: () => read(() => undefined),
    transfersIn: async () => undefined,
    findOpening: () => read(() => undefined),
    quoteTempo: () => read(() => ({ gas: 0n, maxFeePerGas: 0n })),
    transfersFrom: () => read(() => transfers),
  }
  return chain
}
