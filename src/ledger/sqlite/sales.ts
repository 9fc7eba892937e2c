/** The sales of the ledger on SQLite: claims that only one caller wins, and what became of each payment. */
import { RouteplaneError } from '../../errors.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord, parseJson } from '../../lib/json.ts'
import { MAX_KEPT_BYTES, type KeptAnswer } from '../ledger.ts'
import { checkTime, plainText } from '../rules.ts'
import {
  saleMoves,
  saleStates,
  type SaleChannels,
  type SaleClaim,
  type SaleClaimed,
  type SaleEnding,
  type SaleFilter,
  type SaleRow,
  type SaleState,
  type SaleStore,
} from '../sale.ts'
import type { Engine } from './attempts.ts'
import { amountOf, bytesOf, damaged, numberOf, oneOf, optional, textOf } from './columns.ts'
import type { Bound, Row } from './connection.ts'
import { createSaleQuotes } from './sale-quotes.ts'

const columns = [
  'id',
  'payment_key',
  'request_id',
  'digest',
  'model',
  'state',
  'busy',
  'owner',
  'tries',
  'price_usd',
  'protocol',
  'scheme',
  'network',
  'asset',
  'decimals',
  'payer',
  'payee',
  'amount_offered',
  'nonce',
  'valid_before',
  'credential',
  'created_at',
  'updated_at',
] as const

/** An answer is kept a day, as under an idempotency key: longer than any payment stays good. */
const KEPT_MS = 24 * 60 * 60 * 1_000

export const saleSql = {
  insertSale: `INSERT INTO sales (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  saleByKey: 'SELECT * FROM sales WHERE payment_key = ?',
  saleById: 'SELECT * FROM sales WHERE id = ?',
  dropSale: 'DELETE FROM sales WHERE id = ?',
  resumeSale: 'UPDATE sales SET request_id = ?, busy = 1, owner = ?, tries = tries + 1, updated_at = ? WHERE id = ?',
  oweSale: "UPDATE sales SET state = 'due', amount_due = ?, updated_at = ? WHERE id = ?",
  endSale:
    'UPDATE sales SET state = ?1, reason = ?, amount_settled = ?, settled_usd = ?, transaction_hash = ?, unsafe = ?6, ' +
    "credential = CASE WHEN ?6 = 0 AND ?1 IN ('settled', 'refused') THEN NULL ELSE credential END, updated_at = ? WHERE id = ?",
  unsafeSales: 'SELECT * FROM sales INDEXED BY sales_unsafe WHERE unsafe = 1 ORDER BY id LIMIT ?',
  secureSale: "UPDATE sales SET unsafe = 0, credential = NULL WHERE id = ? AND state = 'settled'",
  reopenSale:
    "UPDATE sales SET state = 'unknown', unsafe = 0, reason = ?, amount_settled = NULL, settled_usd = NULL, transaction_hash = NULL, " +
    "updated_at = ? WHERE id = ? AND state = 'settled' AND unsafe = 1",
  keepAnswer: 'UPDATE sales SET status = ?, headers = ?, body = ? WHERE id = ?',
  releaseSale: 'UPDATE sales SET busy = 0, updated_at = ? WHERE id = ?',
  openSales: "SELECT * FROM sales WHERE state IN ('due', 'unknown') ORDER BY +id",
  // Whoever pays chooses the letters of his address.
  openBefore:
    "SELECT * FROM sales WHERE state IN ('claimed', 'due', 'unknown') AND payer = ? COLLATE NOCASE AND network = ? AND asset = ? " +
    'AND rowid < coalesce((SELECT rowid FROM sales WHERE id = ?), 9223372036854775807)',
  refusedOf:
    "SELECT 1 FROM sales INDEXED BY sales_refused WHERE state = 'refused' AND payer = ? COLLATE NOCASE AND network = ? AND asset = ? " +
    'AND updated_at >= ? LIMIT 1',
  channelsFrom: 'SELECT id, state FROM sale_channels INDEXED BY sale_channels_open WHERE has_ended = 0 AND id >= ? ORDER BY id',
  channelById: 'SELECT state FROM sale_channels WHERE id = ?',
  putChannel: 'INSERT OR REPLACE INTO sale_channels (id, state, has_ended) VALUES (?, ?, ?)',
  dropChannel: 'DELETE FROM sale_channels WHERE id = ?',
  // A few at a time: a claim must not pay for a whole day's answers.
  forgetAnswers:
    'UPDATE sales SET status = NULL, headers = NULL, body = NULL WHERE rowid IN ' +
    '(SELECT rowid FROM sales WHERE body IS NOT NULL AND updated_at <= ? ORDER BY updated_at LIMIT 16)',
} as const

export function createSaleStore(engine: Engine): SaleStore {
  const { connection, writer, read, processes } = engine
  const find = (sql: string, value: string) => connection.all(sql, [plainText(value)])[0]
  const readOne = (sql: string, value: string) =>
    read(() => {
      const row = find(sql, value)
      return row === undefined ? undefined : readSale(row)
    })
  return {
    // What nothing is owed for yet need not wait for the disk: it is there before anything that is.
    claim: (request) => writer.writeLoosely(() => claim(engine, request)),
    owe: (id, amount, now, isLoose = false, answer) =>
      writer[isLoose ? 'writeLoosely' : 'write'](() => {
        const row = find(saleSql.saleById, id)
        if (row?.['state'] !== 'due') requireMove(row, 'due')
        connection.run(saleSql.oweSale, [amount.toString(), now, id])
        if (answer !== undefined) keep(engine, id, answer)
      }),
    end: (id, ending) => writer.write(() => end(engine, id, ending)),
    unsafe: (limit) => read(() => connection.all(saleSql.unsafeSales, [limit]).map(readSale)),
    secure: (ids) =>
      writer.write(() => {
        for (const id of ids) connection.run(saleSql.secureSale, [id])
      }),
    reopen: (id, reason, now) => writer.write(() => void connection.run(saleSql.reopenSale, [plainText(reason), now, id])),
    release: (id, answer, now) =>
      writer.write(() => {
        if (answer !== 'owed') keep(engine, id, answer)
        connection.run(saleSql.releaseSale, [now, id])
      }),
    forget: (id) =>
      writer.write(() => {
        requireMove(find(saleSql.saleById, id), 'void')
        connection.run(saleSql.dropSale, [id])
      }),
    get: (id) => readOne(saleSql.saleById, id),
    byKey: (key) => readOne(saleSql.saleByKey, key),
    list: (filter) => read(() => connection.all(...saleQuery(filter)).map(readSale)),
    channels: createSaleChannels(engine),
    quotes: createSaleQuotes(engine),
    openBefore: ({ payer, network, asset }, id, now) =>
      read(() =>
        connection
          .all(saleSql.openBefore, [payer, network, asset, id ?? ''])
          .map(readSale)
          .filter(({ validBeforeSeconds }) => validBeforeSeconds * 1_000n > BigInt(now))
          .filter(({ state, isBusy, owner }) => state !== 'claimed' || (isBusy && !processes.isDead(owner, now))),
      ),
    hasLost: ({ payer, network, asset }, since) => read(() => connection.all(saleSql.refusedOf, [payer, network, asset, since]).length > 0),
    uncollected: (now) =>
      read(() =>
        connection
          .all(saleSql.openSales)
          .map(readSale)
          .filter(({ isBusy, owner }) => !isBusy || (owner !== processes.self && processes.isDead(owner, now))),
      ),
  }
}

function createSaleChannels({ connection, writer, read }: Engine): SaleChannels {
  const textIn = (id: string) => {
    const row = connection.all(saleSql.channelById, [id])[0]
    return row === undefined ? undefined : textOf(row, 'state')
  }
  return {
    get: (id) => read(() => textIn(id)),
    list: (prefix) =>
      read(() => {
        const rows = connection.all(saleSql.channelsFrom, [prefix])
        const beyond = rows.findIndex((row) => !textOf(row, 'id').startsWith(prefix))
        return rows.slice(0, beyond === -1 ? rows.length : beyond).map((row) => textOf(row, 'state'))
      }),
    update: (id, change, isLoose = false) =>
      writer[isLoose ? 'writeLoosely' : 'write'](() => {
        const before = textIn(id)
        const after = change(before)
        if (after === undefined) connection.run(saleSql.dropChannel, [id])
        else if (after.text !== before) connection.run(saleSql.putChannel, [id, after.text, Number(after.hasEnded)])
        return { before, after: after?.text }
      }),
  }
}

function claim(engine: Engine, request: SaleClaim): SaleClaimed {
  checkTime(request.now)
  const { connection, processes } = engine
  connection.run(saleSql.forgetAnswers, [request.now - KEPT_MS])
  const row = connection.all(saleSql.saleByKey, [request.key])[0]
  const sale = row === undefined ? undefined : readSale(row)
  const isBusy = sale !== undefined && sale.isBusy && !processes.isDead(sale.owner, request.now)
  // Nothing is owed for what nobody was seen to receive, whoever presented the payment: it begins anew.
  const isFree = sale !== undefined && !isBusy && (sale.state === 'claimed' || sale.state === 'void')
  if (row === undefined || sale === undefined || isFree) {
    if (isFree) connection.run(saleSql.dropSale, [sale.id])
    connection.run(saleSql.insertSale, valuesOf(request, processes.self))
    return { kind: 'new', sale: requireSale(connection.all(saleSql.saleById, [request.id])[0]) }
  }
  if (sale.digest !== request.digest) return { kind: 'conflict', sale }
  if (isBusy) return { kind: 'running', sale }
  if (row['status'] !== null) return { kind: 'kept', sale, answer: readAnswer(row) }
  connection.run(saleSql.resumeSale, [request.requestId, processes.self, request.now, sale.id])
  return { kind: 'credit', sale: requireSale(connection.all(saleSql.saleById, [sale.id])[0]) }
}

function requireSale(row: Row | undefined): SaleRow {
  if (row === undefined) throw new RouteplaneError('internal', 'there is no such sale')
  return readSale(row)
}

function keep({ connection }: Engine, id: string, answer: KeptAnswer | undefined): void {
  const kept = answer === undefined || answer.body.byteLength > MAX_KEPT_BYTES ? undefined : answer
  connection.run(saleSql.keepAnswer, [kept?.status, kept === undefined ? undefined : JSON.stringify(kept.headers), kept?.body, id])
}

function end({ connection }: Engine, id: string, ending: SaleEnding): void {
  const row = connection.all(saleSql.saleById, [id])[0]
  if (row !== undefined && row['state'] === ending.state) return
  requireMove(row, ending.state)
  const settled = ending.state === 'settled' ? ending : undefined
  const reason = ending.state === 'settled' ? undefined : plainText(ending.reason).slice(0, 200)
  const money = [settled?.amount.toString(), settled?.amountUsd.toString(), settled?.transaction]
  connection.run(saleSql.endSale, [ending.state, reason, ...money, Number(settled?.isUnsafe === true), ending.now, id])
}

function requireMove(row: Row | undefined, to: SaleState): void {
  if (row === undefined) throw new RouteplaneError('internal', 'there is no such sale')
  const from = oneOf(row, 'state', saleStates)
  if (!(saleMoves[from] as readonly SaleState[]).includes(to))
    throw new RouteplaneError('internal', `a sale cannot go from ${from} to ${to}`)
}

function valuesOf(request: SaleClaim, owner: string): readonly Bound[] {
  return [
    request.id,
    request.key,
    request.requestId,
    request.digest,
    plainText(request.model),
    'claimed',
    1,
    owner,
    1,
    request.priceUsd.toString(),
    request.protocol,
    request.scheme,
    request.network,
    request.asset,
    request.decimals,
    request.payer,
    request.payee,
    request.amountOffered.toString(),
    request.nonce,
    request.validBeforeSeconds.toString(),
    request.credential,
    request.now,
    request.now,
  ]
}

/** Writes the query of a list. */
export function saleQuery({ states, requestId, limit, before }: SaleFilter): readonly [sql: string, parameters: readonly Bound[]] {
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0))
    throw new RouteplaneError('internal', 'a limit is not a whole number')
  const named = saleStates.filter((state) => states?.includes(state))
  const conditions: readonly (readonly [sql: string, ...Bound[]])[] = [
    ['TRUE'],
    ...(states === undefined ? [] : [[`state IN (${named.map((state) => `'${state}'`).join(', ')})`] as const]),
    ...(requestId === undefined ? [] : [['request_id = ?', plainText(requestId)] as const]),
    ...(before === undefined ? [] : [['id < ?', plainText(before)] as const]),
  ]
  const where = conditions.map(([condition]) => condition).join(' AND ')
  return [`SELECT * FROM sales WHERE ${where} ORDER BY id DESC LIMIT ?`, [...conditions.flatMap(([, ...bound]) => bound), limit ?? -1]]
}

function readSale(row: Row): SaleRow {
  return {
    id: textOf(row, 'id'),
    key: textOf(row, 'payment_key'),
    requestId: textOf(row, 'request_id'),
    digest: textOf(row, 'digest'),
    model: textOf(row, 'model'),
    state: oneOf(row, 'state', saleStates),
    isBusy: numberOf(row, 'busy') === 1,
    owner: textOf(row, 'owner'),
    tries: numberOf(row, 'tries'),
    priceUsd: amountOf(row, 'price_usd'),
    protocol: oneOf(row, 'protocol', ['x402-1', 'x402-2', 'mpp'] as const),
    scheme: textOf(row, 'scheme'),
    network: textOf(row, 'network'),
    asset: textOf(row, 'asset'),
    decimals: numberOf(row, 'decimals'),
    payer: textOf(row, 'payer'),
    payee: textOf(row, 'payee'),
    amountOffered: amountOf(row, 'amount_offered'),
    nonce: textOf(row, 'nonce'),
    validBeforeSeconds: amountOf(row, 'valid_before'),
    ...(defined({
      amountDue: optional(row, 'amount_due', amountOf),
      amountSettled: optional(row, 'amount_settled', amountOf),
      settledUsd: optional(row, 'settled_usd', amountOf),
      transaction: optional(row, 'transaction_hash', textOf),
      reason: optional(row, 'reason', textOf),
      credential: optional(row, 'credential', textOf),
    }) as Partial<SaleRow>),
    isUnsafe: numberOf(row, 'unsafe') === 1,
    createdAt: numberOf(row, 'created_at'),
    updatedAt: numberOf(row, 'updated_at'),
  }
}

function readAnswer(row: Row): KeptAnswer {
  const headers = parseJson(textOf(row, 'headers'))
  if (!isRecord(headers) || !Object.values(headers).every((value) => typeof value === 'string')) throw damaged('headers')
  return { status: numberOf(row, 'status'), headers: headers as Record<string, string>, body: bytesOf(row, 'body') }
}
