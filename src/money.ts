/** Exact arithmetic on US dollars and token base units, and the only conversions between them. */
import { RouteplaneError } from './errors.ts'

/** US dollars in units of 10⁻¹⁸, so that one token at 3.75e-8 USD is still a whole number. */
export type Usd = bigint & { readonly __unit: 'usd' }

/** A token's base units (USDC: 10⁻⁶), meaningful only beside its asset. */
export type Atomic = bigint & { readonly __unit: 'atomic' }

/** Which way a conversion may err. What we might owe goes up; what we claim to have saved or earned goes down. */
export type Round = 'up' | 'down'

export const USD_DECIMALS = 18
export const ZERO_USD = 0n as Usd

const DECIMAL = /^(\d{1,30})(?:\.(\d{1,18}))?$/

/**
 * Reads a decimal string of US dollars, as prices are written in models documents.
 *
 * @throws {@link RouteplaneError} `invalid_amount` for a sign, an exponent, blanks, or more than 18 places: never a guess.
 */
export function parseUsd(text: string): Usd {
  const match = DECIMAL.exec(text)
  if (match === null) {
    throw new RouteplaneError('invalid_amount', `${JSON.stringify(text.slice(0, 60))} is not a plain decimal amount of US dollars`, {
      hint: 'Write it like "0.25": digits, at most 18 decimal places, no sign and no exponent.',
    })
  }
  const [, whole = '0', fraction = ''] = match
  return BigInt(whole + fraction.padEnd(USD_DECIMALS, '0')) as Usd
}

/** Reads a price per million tokens into US dollars per token; at most 12 decimal places, so that it stays exact. */
export function parseUsdPerMillion(text: string): Usd {
  const perMillion = parseUsd(text)
  if (perMillion % 1_000_000n !== 0n) {
    throw new RouteplaneError('invalid_amount', `${JSON.stringify(text)} per million tokens has more than 12 decimal places`)
  }
  return (perMillion / 1_000_000n) as Usd
}

/** Writes US dollars as a plain decimal string without trailing zeros; reads back exactly. */
export function formatUsd(usd: Usd): string {
  return formatUnits(usd, USD_DECIMALS)
}

/** The same for the smallest units of any coin or token, of which a whole one has `decimals` places. */
export function formatUnits(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  const whole = digits.slice(0, digits.length - decimals)
  return fraction === '' ? whole : `${whole}.${fraction}`
}

export function addUsd(...amounts: readonly Usd[]): Usd {
  return amounts.reduce<bigint>((sum, amount) => sum + amount, 0n) as Usd
}

/** @throws {@link RouteplaneError} `internal` when the result would be negative: money never goes below zero. */
export function subtractUsd(from: Usd, amount: Usd): Usd {
  if (amount > from) throw new RouteplaneError('internal', 'a US dollar amount would go below zero')
  return (from - amount) as Usd
}

/** Multiplies a unit price by a count. */
export function times(price: Usd, count: bigint): Usd {
  if (count < 0n) throw new RouteplaneError('internal', 'a count is negative')
  return (price * count) as Usd
}

/** Multiplies by `numerator ÷ denominator`. */
export function scaleUsd(usd: Usd, numerator: bigint, denominator: bigint, round: Round): Usd {
  return divide(usd * numerator, denominator, round) as Usd
}

/** Converts US dollars to base units of an asset pegged to the dollar. */
export function toAtomic(usd: Usd, decimals: number, round: Round): Atomic {
  if (decimals <= USD_DECIMALS) return divide(usd, 10n ** BigInt(USD_DECIMALS - decimals), round) as Atomic
  return (usd * 10n ** BigInt(decimals - USD_DECIMALS)) as Atomic
}

/** Converts base units of an asset pegged to the dollar to US dollars; exact up to 18 decimals. */
export function fromAtomic(atomic: Atomic, decimals: number, round: Round): Usd {
  if (decimals <= USD_DECIMALS) return (atomic * 10n ** BigInt(USD_DECIMALS - decimals)) as Usd
  return divide(atomic, 10n ** BigInt(decimals - USD_DECIMALS), round) as Usd
}

const ATOMIC = /^(?:0|[1-9]\d{0,77})$/

/**
 * Reads an amount of base units as it stands on the wire: a plain decimal integer.
 *
 * @throws {@link RouteplaneError} `invalid_amount` for `1e6`, `0x3e8`, `-5`, ` 7 `, `007` and the empty string.
 */
export function parseAtomic(text: string): Atomic {
  if (!ATOMIC.test(text)) {
    throw new RouteplaneError('invalid_amount', `${JSON.stringify(text.slice(0, 90))} is not a plain integer of base units`)
  }
  return BigInt(text) as Atomic
}

export function minUsd(first: Usd, ...rest: readonly Usd[]): Usd {
  return rest.reduce((least, amount) => (amount < least ? amount : least), first)
}

function divide(dividend: bigint, divisor: bigint, round: Round): bigint {
  const quotient = dividend / divisor
  return round === 'up' && dividend % divisor !== 0n ? quotient + 1n : quotient
}
