/** What a script learns from an exit code. */
import type { ErrorCode, RouteplaneError } from '../errors.ts'

export const exitCodes = {
  ok: 0,
  failed: 1,
  /** The command line or the config is wrong. */
  usage: 2,
  /** A cap, a balance or a payment said no. */
  payment: 3,
  /** The key file, its password, or the key. */
  wallet: 4,
  /** The ledger cannot be written. */
  ledger: 5,
  interrupted: 130,
} as const

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  usage: exitCodes.usage,
  key_on_command_line: exitCodes.usage,
  config_invalid: exitCodes.usage,
  aliases_forbidden: exitCodes.usage,
  nesting_too_deep: exitCodes.usage,
  env_not_set: exitCodes.usage,
  env_syntax: exitCodes.usage,
  key_in_config: exitCodes.usage,
  invalid_amount: exitCodes.usage,
  invalid_max_cost: exitCodes.usage,
  invalid_model_id: exitCodes.usage,
  manifest_invalid: exitCodes.usage,
  keystore_exists: exitCodes.usage,
  keystore_unsafe: exitCodes.usage,
  keystore_missing: exitCodes.wallet,
  keystore_invalid: exitCodes.wallet,
  keystore_bad_password: exitCodes.wallet,
  invalid_key: exitCodes.wallet,
  wallet_locked: exitCodes.wallet,
  store_unavailable: exitCodes.ledger,
  ledger_locked: exitCodes.ledger,
  bad_challenge: exitCodes.payment,
  bad_payee: exitCodes.payment,
  payee_mismatch: exitCodes.payment,
  unknown_asset: exitCodes.payment,
  unknown_network: exitCodes.payment,
  unsupported_scheme: exitCodes.payment,
  challenge_expired: exitCodes.payment,
  price_mismatch: exitCodes.payment,
  payment_rejected: exitCodes.payment,
  answer_lost: exitCodes.payment,
  cancelled: exitCodes.interrupted,
}

/** Gives the exit code of an error: by its code, else 3 when money said no, else 1. */
export function exitCodeOf(error: RouteplaneError): number {
  const known = BY_CODE[error.code]
  if (known !== undefined) return known
  return error.fault === 'payment' ? exitCodes.payment : exitCodes.failed
}
