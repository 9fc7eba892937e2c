/** The tables of payment channels, as one step of the migrations. */
import { channelStates } from '../channel-rules.ts'
import { amount, oneOf } from './column-checks.ts'

export const channelSchema = `
CREATE TABLE channels (
  id TEXT PRIMARY KEY NOT NULL,
  network TEXT NOT NULL,
  asset TEXT NOT NULL,
  decimals INTEGER NOT NULL,
  payer TEXT NOT NULL,
  payer_authorizer TEXT NOT NULL,
  receiver TEXT NOT NULL,
  receiver_authorizer TEXT NOT NULL,
  withdraw_delay INTEGER NOT NULL,
  salt TEXT NOT NULL,
  provider TEXT NOT NULL,
  resource TEXT NOT NULL,
  wire TEXT NOT NULL,
  model TEXT NOT NULL,
  state TEXT NOT NULL ${oneOf('state', channelStates)},
  reason TEXT,
  charged TEXT NOT NULL ${amount('charged')},
  signed TEXT NOT NULL ${amount('signed')},
  returned TEXT NOT NULL ${amount('returned')},
  withdraw_at INTEGER,
  lease_owner TEXT NOT NULL,
  lease_attempt TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX channels_by_receiver ON channels (receiver, created_at, id);

CREATE TABLE channel_deposits (
  attempt TEXT PRIMARY KEY NOT NULL REFERENCES attempts (id),
  channel TEXT NOT NULL REFERENCES channels (id),
  credited TEXT NOT NULL ${amount('credited')}
) STRICT, WITHOUT ROWID;
CREATE INDEX deposits_by_channel ON channel_deposits (channel);

CREATE TABLE channel_vouchers (
  attempt TEXT PRIMARY KEY NOT NULL REFERENCES attempts (id),
  channel TEXT NOT NULL REFERENCES channels (id),
  base TEXT NOT NULL ${amount('base')},
  amount TEXT NOT NULL ${amount('amount')},
  charged TEXT ${amount('charged')},
  deposit TEXT REFERENCES channel_deposits (attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX vouchers_open ON channel_vouchers (channel, attempt) WHERE charged IS NULL;
`

/** Channels that the network itself keeps: named by the transaction that opens them, which costs a fee besides. */
export const networkChannels = `
ALTER TABLE channels ADD COLUMN opening TEXT;
ALTER TABLE channel_deposits ADD COLUMN reaching TEXT ${amount('reaching')};
`
