/** Quotes of sales on SQLite: few at any time, because each ends within minutes. */
import { RouteplaneError } from '../../errors.ts'
import { defined } from '../../lib/defined.ts'
import { checkTime, plainText } from '../rules.ts'
import type { SaleQuote, SaleQuotes } from '../sale.ts'
import type { Engine } from './attempts.ts'
import { amountOf, numberOf, optional, textOf } from './columns.ts'
import type { Row } from './connection.ts'

export const saleQuoteSql = {
  forgetQuotes: 'DELETE FROM sale_quotes WHERE expires_at <= ?',
  countQuotes: 'SELECT count(*) AS held FROM sale_quotes WHERE expires_at > ?',
  addQuote:
    'INSERT INTO sale_quotes (id, model, request, max_input_tokens, max_output_tokens, price_usd, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  quotesOf: 'SELECT * FROM sale_quotes WHERE model = ? AND expires_at > ? ORDER BY id',
} as const

export function createSaleQuotes({ connection, writer, read }: Engine): SaleQuotes {
  return {
    add: (quote, now, { most, keptMs }) =>
      writer.write(() => {
        checkTime(now)
        connection.run(saleQuoteSql.forgetQuotes, [now - keptMs])
        const [row] = connection.all(saleQuoteSql.countQuotes, [now])
        if (row !== undefined && numberOf(row, 'held') >= most) {
          throw new RouteplaneError('overloaded', 'too many quotes hold at the moment', {
            hint: 'Send the request itself without a payment: its 402 says the price.',
          })
        }
        const { id, model, request, maxInputTokens, maxOutputTokens, priceUsd, expiresAt } = quote
        const bounds = [maxInputTokens, maxOutputTokens]
        connection.run(saleQuoteSql.addQuote, [id, plainText(model), request, ...bounds, priceUsd.toString(), expiresAt])
      }),
    of: (model, since) => read(() => connection.all(saleQuoteSql.quotesOf, [plainText(model), since]).map(readQuote)),
  }
}

function readQuote(row: Row): SaleQuote {
  return {
    id: textOf(row, 'id'),
    model: textOf(row, 'model'),
    ...(defined({ request: optional(row, 'request', textOf) }) as Partial<SaleQuote>),
    maxInputTokens: numberOf(row, 'max_input_tokens'),
    maxOutputTokens: optional(row, 'max_output_tokens', numberOf),
    priceUsd: amountOf(row, 'price_usd'),
    expiresAt: numberOf(row, 'expires_at'),
  }
}
