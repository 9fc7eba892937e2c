/** The schema as a tuple of steps; a database is at the step its `user_version` names. */
import { RouteplaneError } from '../../errors.ts'
import { attemptStates, finalities } from '../rules.ts'
import { channelSchema, networkChannels } from './channel-schema.ts'
import { amount, oneOf } from './column-checks.ts'
import { openSaleChannels, refusedSales, saleQuotes, sales, unsafeSales } from './sale-schema.ts'
import { papers } from './papers.ts'
import type { Connection } from './connection.ts'

/** `RPLG`: tells our files from any other SQLite database. */
const APPLICATION_ID = 0x52504c47

const first = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE processes (owner TEXT PRIMARY KEY, heartbeat INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE budgets (
  scope TEXT NOT NULL,
  period TEXT NOT NULL,
  reserved TEXT NOT NULL ${amount('reserved')},
  spent TEXT NOT NULL ${amount('spent')},
  PRIMARY KEY (scope, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
  id TEXT PRIMARY KEY NOT NULL,
  request_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  mode TEXT NOT NULL,
  caller TEXT,
  preset TEXT,
  state TEXT NOT NULL ${oneOf('state', attemptStates)},
  held_usd TEXT NOT NULL ${amount('held_usd')},
  owed_usd TEXT ${amount('owed_usd')},
  reason TEXT,
  owner TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  protocol TEXT,
  scheme TEXT,
  network TEXT,
  asset TEXT,
  decimals INTEGER,
  payer TEXT,
  payee TEXT,
  amount_authorized TEXT ${amount('amount_authorized')},
  nonce TEXT,
  valid_before TEXT ${amount('valid_before')},
  resource TEXT,
  body_digest TEXT,
  amount_settled TEXT ${amount('amount_settled')},
  settled_usd TEXT ${amount('settled_usd')},
  transaction_hash TEXT,
  block_number TEXT ${amount('block_number')},
  log_index INTEGER,
  finality TEXT ${oneOf('finality', finalities)},
  CHECK ((state = 'settled') = (settled_usd IS NOT NULL AND amount_settled IS NOT NULL AND finality IS NOT NULL)),
  CHECK ((state = 'owed') = (owed_usd IS NOT NULL)),
  CHECK (state IN ('held', 'owed', 'released') OR nonce IS NOT NULL)
) STRICT;
CREATE INDEX attempts_by_request ON attempts (request_id);
CREATE INDEX attempts_by_time ON attempts (created_at);
CREATE INDEX attempts_by_state ON attempts (state, id);
CREATE INDEX attempts_with_intent ON attempts (id) WHERE nonce IS NOT NULL;
CREATE UNIQUE INDEX attempts_nonce ON attempts (network, lower(asset), lower(payer), lower(nonce)) WHERE nonce IS NOT NULL;

CREATE TABLE attempt_budgets (
  attempt TEXT NOT NULL REFERENCES attempts (id),
  scope TEXT NOT NULL,
  period TEXT NOT NULL,
  PRIMARY KEY (attempt, scope, period),
  FOREIGN KEY (scope, period) REFERENCES budgets (scope, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  attempt TEXT NOT NULL REFERENCES attempts (id),
  from_state TEXT,
  to_state TEXT NOT NULL,
  held_usd TEXT NOT NULL,
  settled_usd TEXT,
  detail TEXT NOT NULL,
  at INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_attempt ON events (attempt, seq);
CREATE TRIGGER events_in_order BEFORE INSERT ON events WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM events), 0)
BEGIN SELECT raise(ABORT, 'events are appended one after the other'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_last BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'events are never changed'); END;

CREATE TABLE requests (
  id TEXT PRIMARY KEY NOT NULL,
  caller TEXT NOT NULL,
  protocol TEXT NOT NULL,
  requested_model TEXT NOT NULL,
  provider TEXT,
  model TEXT,
  mode TEXT,
  status INTEGER NOT NULL,
  error_code TEXT,
  usage TEXT,
  cost_usd TEXT ${amount('cost_usd')},
  ttft_ms REAL,
  total_ms REAL NOT NULL,
  attempts INTEGER NOT NULL,
  started_at INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_by_start ON requests (started_at, id);

CREATE TABLE idempotency (
  caller TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  owner TEXT NOT NULL,
  claimed_at INTEGER NOT NULL,
  request_id TEXT,
  status INTEGER,
  headers TEXT,
  body BLOB,
  PRIMARY KEY (caller, key),
  CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (claimed_at);
`

const invoicesAndApprovals = `
CREATE INDEX attempts_owed ON attempts (provider, created_at) WHERE state = 'owed';

CREATE TABLE invoices (
  provider TEXT NOT NULL,
  month TEXT NOT NULL,
  number INTEGER NOT NULL CHECK (number > 0),
  debts INTEGER NOT NULL,
  total_usd TEXT NOT NULL ${amount('total_usd')},
  closed_at INTEGER NOT NULL,
  PRIMARY KEY (provider, month, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE invoice_debts (
  attempt TEXT PRIMARY KEY NOT NULL REFERENCES attempts (id),
  provider TEXT NOT NULL,
  month TEXT NOT NULL,
  number INTEGER NOT NULL,
  FOREIGN KEY (provider, month, number) REFERENCES invoices (provider, month, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX invoice_debts_by_invoice ON invoice_debts (provider, month, number);

CREATE TABLE approvals (
  id TEXT PRIMARY KEY NOT NULL,
  caller TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  mode TEXT NOT NULL,
  amount_usd TEXT NOT NULL ${amount('amount_usd')},
  state TEXT NOT NULL ${oneOf('state', ['pending', 'allowed', 'denied', 'used'])},
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX approvals_by_shape ON approvals (caller, model, expires_at);
CREATE INDEX approvals_by_expiry ON approvals (expires_at);
`

const health = `
CREATE TABLE health (
  owner TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (owner, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX health_by_time ON health (at);
`

/** How an attempt's outcome is proven, and what its scheme must remember for that; absent in older rows. */
const proofs = `
ALTER TABLE attempts ADD COLUMN proof TEXT;
ALTER TABLE attempts ADD COLUMN particulars TEXT;
`

/** Few at any time: every payment becomes final within minutes. */
const unfinal = "CREATE INDEX attempts_unfinal ON attempts (id) WHERE state = 'settled' AND finality <> 'final';"

/** Why a request went where it went. */
const decisions = 'ALTER TABLE requests ADD COLUMN decision TEXT;'

const callerKeys = `
CREATE TABLE caller_keys (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  per_hour_usd TEXT ${amount('per_hour_usd')},
  per_day_usd TEXT ${amount('per_day_usd')},
  per_month_usd TEXT ${amount('per_month_usd')},
  total_usd TEXT ${amount('total_usd')},
  models TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;
`

/** What tells the paid calls of clients that try again by themselves from others. */
const triedCalls = `
ALTER TABLE attempts ADD COLUMN fingerprint TEXT;
CREATE INDEX attempts_by_fingerprint ON attempts (fingerprint, created_at) WHERE fingerprint IS NOT NULL;
`

/** Step n brings a database from version n to n + 1. Steps that have been released are never edited. */
export const migrations = [
  first,
  health,
  sales,
  proofs,
  invoicesAndApprovals,
  decisions,
  channelSchema,
  unfinal,
  callerKeys,
  networkChannels,
  saleQuotes,
  papers,
  openSaleChannels,
  unsafeSales,
  refusedSales,
  triedCalls,
] as const

export const SCHEMA_VERSION: number = migrations.length

/**
 * Brings the database to our version inside the transaction that is open; returns whether anything was changed.
 *
 * @throws RouteplaneError `store_unavailable` for a database of a newer version or of another application.
 */
export function migrate(connection: Connection): boolean {
  const version = versionOf(connection)
  if (version > SCHEMA_VERSION) throw tooNew(version)
  const application = Number(connection.all('PRAGMA application_id')[0]?.['application_id'])
  const isEmpty = connection.all('SELECT 1 FROM sqlite_schema LIMIT 1').length === 0
  if (!isEmpty && application !== APPLICATION_ID) {
    throw new RouteplaneError('store_unavailable', 'the file is a database of another application', {
      hint: 'Point the ledger at a file of its own.',
    })
  }
  if (version === SCHEMA_VERSION) return false
  for (const step of migrations.slice(version)) connection.exec(step)
  connection.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
  return true
}

/** @throws RouteplaneError `store_unavailable` when another process has migrated the file since we opened it. */
export function checkVersion(connection: Connection): void {
  const version = versionOf(connection)
  if (version !== SCHEMA_VERSION) throw tooNew(version)
}

function versionOf(connection: Connection): number {
  return Number(connection.all('PRAGMA user_version')[0]?.['user_version'])
}

function tooNew(found: number): RouteplaneError {
  return new RouteplaneError('store_unavailable', `the ledger has version ${found}, and this Routeplane writes version ${SCHEMA_VERSION}`, {
    hint: 'Upgrade Routeplane to the version that last wrote this ledger.',
    details: { reason: 'version', found, supported: SCHEMA_VERSION },
  })
}
