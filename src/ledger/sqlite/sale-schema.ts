/** The tables of what is sold, as steps of the schema. */
import { saleStates } from '../sale.ts'
import { amount, oneOf } from './column-checks.ts'

export const sales = `
CREATE TABLE sales (
  id TEXT PRIMARY KEY NOT NULL,
  payment_key TEXT NOT NULL UNIQUE,
  request_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  model TEXT NOT NULL,
  state TEXT NOT NULL ${oneOf('state', saleStates)},
  busy INTEGER NOT NULL CHECK (busy IN (0, 1)),
  owner TEXT NOT NULL,
  tries INTEGER NOT NULL,
  price_usd TEXT NOT NULL ${amount('price_usd')},
  protocol TEXT NOT NULL,
  scheme TEXT NOT NULL,
  network TEXT NOT NULL,
  asset TEXT NOT NULL,
  decimals INTEGER NOT NULL,
  payer TEXT NOT NULL,
  payee TEXT NOT NULL,
  amount_offered TEXT NOT NULL ${amount('amount_offered')},
  nonce TEXT NOT NULL,
  valid_before TEXT NOT NULL ${amount('valid_before')},
  credential TEXT,
  amount_due TEXT ${amount('amount_due')},
  amount_settled TEXT ${amount('amount_settled')},
  settled_usd TEXT ${amount('settled_usd')},
  transaction_hash TEXT,
  reason TEXT,
  status INTEGER,
  headers TEXT,
  body BLOB,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CHECK ((state = 'settled') = (settled_usd IS NOT NULL AND amount_settled IS NOT NULL)),
  CHECK (state NOT IN ('due', 'unknown') OR (amount_due IS NOT NULL AND credential IS NOT NULL)),
  CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
) STRICT;
CREATE INDEX sales_by_request ON sales (request_id);
CREATE INDEX sales_by_state ON sales (state);
CREATE TABLE sale_channels (id TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX sales_by_age ON sales (updated_at) WHERE body IS NOT NULL;
`

/** Which channels are still to be watched: those that have ended are kept, for nothing may be sold out of them again. */
export const openSaleChannels = `
ALTER TABLE sale_channels ADD COLUMN has_ended INTEGER NOT NULL DEFAULT 0 CHECK (has_ended IN (0, 1));
CREATE INDEX sale_channels_open ON sale_channels (id) WHERE has_ended = 0;
`

/** Prices promised for a while. */
export const saleQuotes = `
CREATE TABLE sale_quotes (
  id TEXT PRIMARY KEY NOT NULL,
  model TEXT NOT NULL,
  request TEXT,
  max_input_tokens INTEGER NOT NULL,
  max_output_tokens INTEGER,
  price_usd TEXT NOT NULL ${amount('price_usd')},
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sale_quotes_by_model ON sale_quotes (model, expires_at);
CREATE INDEX sale_quotes_by_expiry ON sale_quotes (expires_at);
`

/** Settlements whose block is not safe yet: few at any time. Those of before are believed. */
export const unsafeSales = `
ALTER TABLE sales ADD COLUMN unsafe INTEGER NOT NULL DEFAULT 0 CHECK (unsafe IN (0, 1));
CREATE INDEX sales_unsafe ON sales (unsafe, id) WHERE unsafe = 1;
`

/** Whose payments could not be collected. */
export const refusedSales =
  "CREATE INDEX sales_refused ON sales (payer COLLATE NOCASE, network, asset, updated_at) WHERE state = 'refused';"
