/** The channels that payers have opened with us on Tempo, in our ledger: as the official server keeps them, and what each sale takes out. */
import type { SaleChannels } from '../../../ledger/sale.ts'
import { isRecord, parseJson } from '../../../lib/json.ts'
import type { Atomic } from '../../../money.ts'
import { createBells, type Bells } from './bells.ts'

/** What the official server writes of a channel, as far as we read it, with what our sales take out of it. Base units. */
export type PaidChannel = {
  readonly channelId: `0x${string}`
  readonly chainId: number
  readonly descriptor: { readonly payer: `0x${string}`; readonly token: `0x${string}` } & Readonly<Record<string, `0x${string}`>>
  readonly escrowContract: `0x${string}`
  /** Whose signature a voucher bears. */
  readonly authorizedSigner: `0x${string}`
  readonly deposit: bigint
  /** What answers came to, in all. */
  readonly spent: bigint
  readonly settledOnChain: bigint
  readonly highestVoucherAmount: bigint
  readonly highestVoucher: { readonly signature: `0x${string}` } | null
  /** Unix seconds since which it is being closed; zero while it is not. */
  readonly closeRequestedAt: bigint
  readonly finalized: boolean
  readonly units: number
  /** Unix milliseconds since which one of our processes is ending it: nothing more is sold out of it, or charged. */
  readonly endingSince?: number | undefined
  /** Unix milliseconds of the last sale out of it. */
  readonly usedAt?: number
  /** By the key of their payment; one that was charged stays until it stands in the books, for somebody might charge it again. */
  readonly sales?: Readonly<Record<string, SaleInChannel>>
}

type SaleInChannel = { readonly amount: bigint; readonly isCharged: boolean; readonly at: number }

/** Milliseconds after which a sale that was charged cannot come again, booked or not, and one that was only begun is nobody's. */
export const CHARGED_MS = 24 * 60 * 60 * 1_000
const BEGUN_MS = 60 * 60 * 1_000
/** Milliseconds after which whoever was ending a channel has died over it: no transaction takes as long. */
const ENDING_MS = 2 * 60 * 1_000

export type PaidChannels = {
  get(id: string): Promise<PaidChannel | undefined>
  /** Those that have not ended. */
  list(): Promise<readonly PaidChannel[]>
  /**
   * Sets aside so much of what the payer has promised for a sale; less or more than before for one that is known.
   *
   * @param isFirst - Nothing is under way for the sale yet: a crash of the machine may lose it, and so it need not wait for the disk.
   * @returns the channel as it was found, and what its vouchers lack; nothing is set aside then.
   */
  reserve(
    id: string,
    sale: string,
    amount: Atomic,
    now: number,
    isFirst?: boolean,
  ): Promise<{ readonly channel: PaidChannel; readonly missing: bigint }>
  /** Charges a sale at most so much, once; what its vouchers do not cover is not charged. @returns what was charged, and the channel. */
  charge(id: string, sale: string, amount: Atomic, now: number): Promise<{ readonly channel: PaidChannel; readonly charged: Atomic }>
  /** Says that a charge stands in the books: it is not kept any longer than until the channel changes again. */
  booked(sale: string): void
  /** Gives back what was set aside. */
  release(id: string, sale: string): Promise<void>
  /**
   * Stops selling out of a channel that is to be ended; `false`, and nothing has changed, while a sale out of it is under way or
   * another process ends it.
   *
   * @param isLate - Sales under way do not matter any more: they are not charged.
   */
  end(id: string, now: number, isLate?: boolean): Promise<boolean>
  /** Says how that went. */
  ended(id: string, isFinal: boolean): Promise<void>
  /** Writes down what the chain says of a channel: `closeRequestedAt` is zero of one that its payer does not want back, or no longer. */
  observe(id: string, seen: Partial<Pick<PaidChannel, 'settledOnChain' | 'closeRequestedAt'>>): Promise<void>
  /** Resolves when a channel has changed in this process, or else after a while: another process may have changed it. */
  changed(id: string, signal: AbortSignal): Promise<void>
  /** What the official server takes for a database. */
  readonly store: object
}

const PREFIX = 'tempo:'
const opened = new WeakMap<SaleChannels, PaidChannels>()

/** One for each ledger: whoever waits for a voucher is woken by who takes it. */
export function channelsOn(channels: SaleChannels): PaidChannels {
  const known = opened.get(channels) ?? openPaidChannels(channels)
  opened.set(channels, known)
  return known
}

/** Changes of one channel, each in a transaction of its own. */
function createChanges(channels: SaleChannels, bells: Bells, booked: Set<string>) {
  const update = async (id: string, change: (channel: PaidChannel | undefined) => PaidChannel | undefined, isLoose = false) => {
    const { after } = await channels.update(
      idOf(id),
      (text) => {
        const before = read(text)
        const next = change(before)
        const after = next === before ? text : next === undefined ? undefined : written(next)
        return after === undefined ? undefined : { text: after, hasEnded: next?.finalized === true }
      },
      isLoose,
    )
    bells.ring(idOf(id))
    return read(after)
  }
  const amend = async (id: string, now: number, change: (channel: PaidChannel, free: bigint) => PaidChannel, isLoose = false) => {
    let found: PaidChannel | undefined
    let dropped: readonly string[] = []
    const after = await update(
      id,
      (channel) => {
        dropped = Object.keys(channel?.sales ?? {}).filter((sale) => booked.has(sale))
        found = channel === undefined ? undefined : withoutOld(channel, now, dropped)
        return found === undefined ? undefined : change(found, freeIn(found))
      },
      isLoose,
    )
    for (const sale of dropped) booked.delete(sale)
    if (found === undefined || after === undefined) throw new Error(`there is no channel ${id}`)
    return { before: found, after }
  }
  return { update, amend }
}

const idOf = (id: string) => PREFIX + id.toLowerCase()

const read = (text: string | undefined) => (text === undefined ? undefined : (restored(parseJson(text)) as PaidChannel))

function openPaidChannels(channels: SaleChannels): PaidChannels {
  const bells = createBells()
  const booked = new Set<string>()
  const { update, amend } = createChanges(channels, bells, booked)
  return {
    get: async (id) => read(await channels.get(idOf(id))),
    list: async () => (await channels.list(PREFIX)).flatMap((text) => read(text) ?? []),
    async reserve(id, sale, amount, now, isFirst = false) {
      let missing = 0n
      const set = (channel: PaidChannel, free: bigint) => {
        const aside = setAside(channel, free, sale, { amount, now })
        missing = aside.missing
        return aside.channel
      }
      // Loose changes are overtaken by others: once the sale is under way, they have to keep their order.
      const { before } = await amend(id, now, set, isFirst)
      return { channel: before, missing }
    },
    async charge(id, sale, amount, now) {
      const { after } = await amend(id, now, (channel, free) => charge(channel, free, sale, { amount, now }))
      const own = after.sales?.[sale]
      if (own === undefined) throw new Error(`nothing was charged to channel ${id}`)
      return { channel: after, charged: own.amount as Atomic }
    },
    booked: (sale) => void booked.add(sale),
    async release(id, sale) {
      await update(id, (channel) => {
        if (channel?.sales?.[sale]?.isCharged !== false) return channel
        const { [sale]: _released, ...sales } = channel.sales
        return { ...channel, sales }
      })
    },
    async end(id, now, isLate = false) {
      let isOurs = false
      await amend(id, now, (channel) => {
        const { endingSince = -Infinity, sales = {} } = channel
        isOurs = now - endingSince >= ENDING_MS && (isLate || Object.values(sales).every(({ isCharged }) => isCharged))
        return isOurs ? { ...channel, endingSince: now } : channel
      })
      return isOurs
    },
    async ended(id, isFinal) {
      await update(id, (channel) =>
        channel === undefined ? undefined : { ...channel, endingSince: undefined, finalized: channel.finalized || isFinal },
      )
    },
    observe: async (id, seen) => void (await update(id, (channel) => (channel === undefined ? undefined : { ...channel, ...seen }))),
    changed: (id, signal) => bells.heard(idOf(id), signal),
    store: storeOn(channels, update as StoreUpdate),
  }
}

type Taking = { readonly amount: Atomic; readonly now: number }

/** What the sale lacks is not set aside in part. */
function setAside(channel: PaidChannel, free: bigint, sale: string, { amount, now }: Taking) {
  const own = channel.sales?.[sale]
  const promised = isUsable(channel) ? withOwn(free, own) : 0n
  if (own?.isCharged === true) return { channel, missing: 0n }
  if (promised < amount) return { channel, missing: amount - promised }
  return { channel: withSale(channel, sale, { amount, isCharged: false, at: now }), missing: 0n }
}

function charge(channel: PaidChannel, free: bigint, sale: string, { amount, now }: Taking): PaidChannel {
  const own = channel.sales?.[sale]
  if (own?.isCharged === true) return channel
  const most = isOver(channel) ? 0n : withOwn(free, own)
  const charged = amount < most ? amount : most
  const spent = { spent: channel.spent + charged, units: channel.units + 1 }
  return withSale({ ...channel, ...spent }, sale, { amount: charged, isCharged: true, at: now })
}

/** JSON has no whole numbers of any size, and these are money. */
function written(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => (typeof member === 'bigint' ? { [WHOLE]: member.toString() } : member))
}

function restored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restored)
  if (!isRecord(value)) return value
  const whole = value[WHOLE]
  if (typeof whole === 'string') return BigInt(whole)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, restored(member)]))
}

const WHOLE = '$integer'

/** What the payer has promised beyond what was charged and what running sales have set aside. */
function freeIn({ highestVoucherAmount, spent, sales = {} }: PaidChannel): bigint {
  const begun = Object.values(sales).reduce((sum, { amount, isCharged }) => (isCharged ? sum : sum + amount), 0n)
  return highestVoucherAmount - spent - begun
}

/** What a sale has set aside is its own to use. */
function withOwn(free: bigint, own: SaleInChannel | undefined): bigint {
  return own === undefined ? free : free + own.amount
}

export function isUsable(channel: PaidChannel): boolean {
  return channel.closeRequestedAt === 0n && !isOver(channel)
}

/** What was taken out of it, or is being taken, is all that ever will be. */
function isOver({ finalized, endingSince }: PaidChannel): boolean {
  return finalized || endingSince !== undefined
}

function withSale(channel: PaidChannel, id: string, sale: SaleInChannel): PaidChannel {
  return { ...channel, usedAt: sale.at, sales: { ...channel.sales, [id]: sale } }
}

function withoutOld(channel: PaidChannel, now: number, booked: readonly string[]): PaidChannel {
  const kept = Object.entries(channel.sales ?? {}).filter(
    ([sale, { isCharged, at }]) => !(isCharged && booked.includes(sale)) && now - at < (isCharged ? CHARGED_MS : BEGUN_MS),
  )
  return { ...channel, sales: Object.fromEntries(kept) }
}

type StoreUpdate = (id: string, change: (channel: unknown) => unknown) => Promise<unknown>
type Change = { readonly op: 'noop' | 'set' | 'delete'; readonly value?: unknown; readonly result: unknown }

/** @see mppx 0.11.0, `Store.AtomicStore` */
function storeOn(channels: SaleChannels, update: StoreUpdate): object {
  return {
    get: async (key: string) => read(await channels.get(idOf(key))) ?? null,
    put: async (key: string, value: unknown) => void (await update(key, () => value)),
    delete: async (key: string) => void (await update(key, () => undefined)),
    async update(key: string, change: (current: unknown) => Change) {
      let result: unknown
      await update(key, (current) => {
        const wanted = change(current ?? null)
        result = wanted.result
        return wanted.op === 'noop' ? current : wanted.op === 'delete' ? undefined : wanted.value
      })
      return result
    },
  }
}
