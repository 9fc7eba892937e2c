/** The channels of the ledger on SQLite: each change is one transaction, and of all processes one at a time holds a channel. */
import { RouteplaneError } from '../../errors.ts'
import { subtractUsd, ZERO_USD, type Atomic, type Usd } from '../../money.ts'
import type { ChannelFilter, ChannelRow, ChannelStore, ChannelTerms, VoucherRow } from '../channel.ts'
import { channelStates, checkChannelMove, checkCharge, checkReturn, planVoucher } from '../channel-rules.ts'
import { plainText, present } from '../rules.ts'
import type { Engine } from './attempts.ts'
import { creditBudgets } from './budgets.ts'
import { amountOf, numberOf, oneOf, optional, textOf } from './columns.ts'
import { isConstraint, type Connection, type Row } from './connection.ts'

const termColumns = [
  ['id', 'id'],
  ['network', 'network'],
  ['asset', 'asset'],
  ['decimals', 'decimals'],
  ['payer', 'payer'],
  ['payerAuthorizer', 'payer_authorizer'],
  ['receiver', 'receiver'],
  ['receiverAuthorizer', 'receiver_authorizer'],
  ['withdrawDelay', 'withdraw_delay'],
  ['salt', 'salt'],
  ['opening', 'opening'],
  ['provider', 'provider'],
  ['resource', 'resource'],
  ['wire', 'wire'],
  ['model', 'model'],
] as const satisfies readonly (readonly [keyof ChannelTerms, string])[]

export const channelSql = {
  channelsTo: 'SELECT * FROM channels WHERE receiver = ? ORDER BY created_at, id',
  channelById: 'SELECT * FROM channels WHERE id = ?',
  putChannel: `INSERT INTO channels (${termColumns.map(([, column]) => column).join(', ')}, state, charged, signed, returned, created_at, updated_at, lease_owner, lease_attempt)
    VALUES (${termColumns.map(() => '?').join(', ')}, 'open', '0', '0', '0', ?, ?, ?, ?)`,
  leaseChannel: 'UPDATE channels SET lease_owner = ?, lease_attempt = ? WHERE id = ?',
  releaseChannel: "UPDATE channels SET lease_attempt = '' WHERE id = ? AND lease_attempt = ?",
  isAttemptUnderWay: "SELECT 1 FROM attempts WHERE id = ? AND state IN ('held', 'intent')",
  markChannel: 'UPDATE channels SET state = ?, reason = ?, withdraw_at = ?, updated_at = ? WHERE id = ?',
  signChannel: 'UPDATE channels SET signed = ?, updated_at = ? WHERE id = ?',
  chargeChannel: 'UPDATE channels SET charged = ?, updated_at = ? WHERE id = ?',
  returnToUs: 'UPDATE channels SET returned = ?, updated_at = ? WHERE id = ?',
  depositsOf:
    'SELECT d.attempt, d.credited, d.reaching, a.state, a.amount_authorized, a.amount_settled, a.settled_usd FROM channel_deposits d ' +
    'JOIN attempts a ON a.id = d.attempt WHERE d.channel = ? ORDER BY d.attempt DESC',
  openDeposits:
    'SELECT d.attempt FROM channel_deposits d JOIN attempts a ON a.id = d.attempt ' +
    "WHERE d.channel = ? AND a.state IN ('held', 'intent', 'unknown') ORDER BY d.attempt",
  putDeposit: 'INSERT INTO channel_deposits (attempt, channel, credited, reaching) VALUES (?, ?, ?, ?)',
  creditDeposit: 'UPDATE channel_deposits SET credited = ? WHERE attempt = ?',
  putVoucher: 'INSERT OR REPLACE INTO channel_vouchers (attempt, channel, base, amount, deposit) VALUES (?, ?, ?, ?, ?)',
  voucherByAttempt: 'SELECT * FROM channel_vouchers WHERE attempt = ?',
  openVouchers:
    'SELECT v.* FROM channel_vouchers v JOIN attempts a ON a.id = v.attempt ' +
    "WHERE v.channel = ? AND v.charged IS NULL AND a.state IN ('intent', 'unknown') ORDER BY v.attempt",
  chargeVoucher: 'UPDATE channel_vouchers SET charged = ? WHERE attempt = ?',
  voidVouchers: "UPDATE channel_vouchers SET charged = '0' WHERE channel = ? AND charged IS NULL",
} as const

/** For commands, which look at everything; no request waits for it. */
const EVERY_CHANNEL = 'SELECT * FROM channels ORDER BY created_at, id'

export function createChannelStore(engine: Engine): ChannelStore {
  const { connection, writer, read } = engine
  return {
    list: (filter) =>
      read(() =>
        rowsTo(connection, filter.receiver)
          .map((row) => readChannel(connection, row))
          .filter((row) => fits(row, filter)),
      ),
    get: (id) => read(() => find(connection, id)),
    open: (terms, attempt, now) => writer.write(() => open(engine, terms, attempt, now)),
    lease: (id, attempt, now) => writer.write(() => lease(engine, id, attempt, now)),
    release: (id, attempt) => writer.write(() => void connection.run(channelSql.releaseChannel, [id, attempt])),
    promise: (id, voucher, now) => writer.write(() => promise(connection, id, voucher, now)),
    fund: (id, more) => writer.write(() => fund(connection, id, more)),
    charge: (attempt, amount, now) => writer.write(() => charge(connection, attempt, amount, now)),
    voucher: (attempt) => read(() => findVoucher(connection, attempt)),
    openDeposits: (id) => read(() => connection.all(channelSql.openDeposits, [id]).map((row) => textOf(row, 'attempt'))),
    openVouchers: (id) => read(() => connection.all(channelSql.openVouchers, [id]).map(readVoucher)),
    mark: (id, { state, reason, withdrawAt }, now) =>
      writer.write(() => {
        checkChannelMove(existing(connection, id), state)
        connection.run(channelSql.markChannel, [state, plainText(reason.slice(0, 500)), withdrawAt, now, id])
      }),
    returned: (id, total, usdOf, now) => writer.write(() => takeBack(connection, id, total, usdOf, now)),
  }
}

function open(engine: Engine, terms: ChannelTerms, attempt: string, now: number): boolean {
  const { connection, processes } = engine
  try {
    connection.run(channelSql.putChannel, [...termColumns.map(([field]) => terms[field]), now, now, processes.self, attempt])
    return true
  } catch (cause) {
    if (isConstraint(cause)) return false
    throw cause
  }
}

/** A lease ends with its attempt's charge, with its attempt, or with its process; until then nobody else promises anything out of the channel. */
function lease({ connection, processes }: Engine, id: string, attempt: string, now: number): boolean {
  const row = connection.all(channelSql.channelById, [id])[0]
  if (row === undefined || row['state'] !== 'open') return false
  const holder = textOf(row, 'lease_attempt')
  const isOver = connection.all(channelSql.isAttemptUnderWay, [holder]).length === 0
  const isFree = isOver || holder === attempt || processes.isDead(textOf(row, 'lease_owner'), now)
  if (isFree) connection.run(channelSql.leaseChannel, [processes.self, attempt, id])
  return isFree
}

type Promised = Parameters<ChannelStore['promise']>[1]

function fund(connection: Connection, id: string, { attempt, deposit, reaching }: Parameters<ChannelStore['fund']>[1]): void {
  requireLease(connection, id, attempt)
  connection.run(channelSql.putDeposit, [deposit, id, '0', reaching.toString()])
}

function requireLease(connection: Connection, id: string, attempt: string): void {
  const held = connection.all(channelSql.channelById, [id])[0]?.['lease_attempt']
  if (held !== attempt) throw new RouteplaneError('internal', `attempt ${attempt} does not hold channel ${id}`)
}

function promise(connection: Connection, id: string, { attempt, amount, deposit, reaching }: Promised, now: number): VoucherRow {
  requireLease(connection, id, attempt)
  const known = findVoucher(connection, attempt)
  if (deposit !== undefined && known?.deposit !== deposit) connection.run(channelSql.putDeposit, [deposit, id, '0', reaching?.toString()])
  const channel = existing(connection, id)
  const depositAttempt = deposit ?? known?.deposit
  const voucher = planVoucher(channel, { attempt, amount, ...present({ deposit: depositAttempt }) })
  const top = voucher.base + voucher.amount
  connection.run(channelSql.putVoucher, [attempt, id, voucher.base.toString(), amount.toString(), depositAttempt])
  connection.run(channelSql.signChannel, [(top > channel.signed ? top : channel.signed).toString(), now, id])
  return voucher
}

function charge(connection: Connection, attempt: string, amount: Atomic, now: number): void {
  const voucher = findVoucher(connection, attempt)
  if (voucher === undefined) throw new RouteplaneError('internal', `attempt ${attempt} has no voucher`)
  checkCharge(voucher, amount)
  if (voucher.charged !== undefined) return
  const channel = existing(connection, voucher.channel)
  connection.run(channelSql.chargeVoucher, [amount.toString(), attempt])
  connection.run(channelSql.releaseChannel, [channel.id, attempt])
  if (amount === 0n) return
  connection.run(channelSql.chargeChannel, [(voucher.base + amount).toString(), now, channel.id])
  connection.run(channelSql.voidVouchers, [channel.id])
}

/** The latest deposits are given back first; each back to the windows it was taken from. */
function takeBack(connection: Connection, id: string, total: Atomic, usdOf: (amount: Atomic) => Usd, now: number): void {
  const channel = existing(connection, id)
  checkReturn(channel, total)
  let left = usdOf((total - channel.returned) as Atomic)
  for (const row of connection.all(channelSql.depositsOf, [id])) {
    if (left === ZERO_USD) break
    if (row['state'] !== 'settled') continue
    const attempt = textOf(row, 'attempt')
    const credited = amountOf<Usd>(row, 'credited')
    const open = subtractUsd(amountOf<Usd>(row, 'settled_usd'), credited)
    const credit = left < open ? left : open
    creditBudgets(connection, attempt, credit)
    connection.run(channelSql.creditDeposit, [(credited + credit).toString(), attempt])
    left = subtractUsd(left, credit)
  }
  connection.run(channelSql.returnToUs, [total.toString(), now, id])
}

function find(connection: Connection, id: string): ChannelRow | undefined {
  const row = connection.all(channelSql.channelById, [id])[0]
  return row === undefined ? undefined : readChannel(connection, row)
}

function existing(connection: Connection, id: string): ChannelRow {
  const channel = find(connection, id)
  if (channel === undefined) throw new RouteplaneError('internal', `there is no channel ${id}`)
  return channel
}

function findVoucher(connection: Connection, attempt: string): VoucherRow | undefined {
  const row = connection.all(channelSql.voucherByAttempt, [attempt])[0]
  return row === undefined ? undefined : readVoucher(row)
}

function rowsTo(connection: Connection, receiver: string | undefined): readonly Row[] {
  return receiver === undefined ? connection.all(EVERY_CHANNEL) : connection.all(channelSql.channelsTo, [receiver])
}

function fits(row: ChannelRow, filter: ChannelFilter): boolean {
  return (Object.entries(filter) as [keyof ChannelFilter, string][]).every(
    ([field, value]) => row[field].toLowerCase() === value.toLowerCase(),
  )
}

const hexOf = (row: Row, column: string) => textOf(row, column) as `0x${string}`

function readChannel(connection: Connection, row: Row): ChannelRow {
  const id = hexOf(row, 'id')
  const deposits = connection.all(channelSql.depositsOf, [id])
  const sum = (states: readonly string[], column: string) =>
    deposits
      .filter(({ state }) => states.includes(state as string))
      .reduce((total, deposit) => total + arriving(deposit, column), 0n) as Atomic
  return {
    id,
    network: textOf(row, 'network'),
    asset: hexOf(row, 'asset'),
    decimals: numberOf(row, 'decimals'),
    payer: hexOf(row, 'payer'),
    payerAuthorizer: hexOf(row, 'payer_authorizer'),
    receiver: hexOf(row, 'receiver'),
    receiverAuthorizer: hexOf(row, 'receiver_authorizer'),
    withdrawDelay: numberOf(row, 'withdraw_delay'),
    salt: hexOf(row, 'salt'),
    provider: textOf(row, 'provider'),
    resource: textOf(row, 'resource'),
    wire: textOf(row, 'wire'),
    model: textOf(row, 'model'),
    state: oneOf(row, 'state', channelStates),
    deposited: sum(['settled'], 'amount_settled'),
    depositing: sum(['intent', 'unknown'], 'amount_authorized'),
    returned: amountOf(row, 'returned'),
    charged: amountOf(row, 'charged'),
    signed: amountOf(row, 'signed'),
    ...present({
      opening: optional(row, 'opening', hexOf),
      reason: optional(row, 'reason', textOf),
      withdrawAt: optional(row, 'withdraw_at', numberOf),
    }),
    createdAt: numberOf(row, 'created_at'),
    updatedAt: numberOf(row, 'updated_at'),
  }
}

/** What of a deposit reaches its channel: of a transaction that failed nothing, though it has cost its fee. */
function arriving(deposit: Row, column: string): bigint {
  const whole = optional(deposit, column, amountOf)
  const reaching = optional(deposit, 'reaching', amountOf)
  if (reaching === undefined) return whole ?? 0n
  return whole !== undefined && whole < reaching ? 0n : reaching
}

function readVoucher(row: Row): VoucherRow {
  return {
    attempt: textOf(row, 'attempt'),
    channel: hexOf(row, 'channel'),
    base: amountOf(row, 'base'),
    amount: amountOf(row, 'amount'),
    ...(present({ charged: optional(row, 'charged', amountOf), deposit: optional(row, 'deposit', textOf) }) as Partial<VoucherRow>),
  }
}
