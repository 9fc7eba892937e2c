/** Pieces of schemas for text that a YAML file holds: blocks, words, counts, dates and prices, each with its own code. */
import * as z from 'zod'
import { parseUsd, parseUsdPerMillion, type Usd } from '../money.ts'
import { nearestWords } from './nearest.ts'
import { complain } from './problem.ts'

/** Control characters, and the marks that turn or hide text: in a name they only serve to deceive a terminal. */
const UNPRINTABLE = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u

/** A block whose unknown keys are errors that name the nearest known one. */
export function block<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? issue.keys.map((key) => unknownKey(key, known)).join('; ') : undefined),
  })
}

function unknownKey(key: string, known: readonly string[]): string {
  const [nearest] = nearestWords(key, known, 1)
  const help = nearest === undefined ? `known are ${known.join(', ')}` : `did you mean ${nearest}?`
  return `unknown key ${quoted(key)}; ${help}`
}

/** Shows a value of an untrusted file in a message: short, and without control characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 60))
}

/** Says whether a text can be shown in a terminal or to a model as it is. */
function isPrintable(text: string): boolean {
  return text.trim() !== '' && !UNPRINTABLE.test(text)
}

/** Takes unprintable characters out and cuts to `maxLength`. */
export function printable(text: string, maxLength: number): string {
  return text.replaceAll(new RegExp(UNPRINTABLE, 'gu'), '').slice(0, maxLength).trim()
}

/** One line of text to be shown to people. */
export function line(maxLength: number, code = 'invalid_text') {
  return z.string().superRefine((text, context) => {
    if (text.length > maxLength) complain(context, code, `is ${text.length} characters long; at most ${maxLength} are allowed`)
    else if (!isPrintable(text)) complain(context, code, 'is empty or holds control characters')
  })
}

/** One word of a fixed list; an unknown one is answered with the nearest. */
export function oneOf<const Words extends readonly string[]>(words: Words, code = 'unknown_value') {
  return z.string().transform((word, context): Words[number] => {
    if (words.includes(word)) return word
    const [nearest] = nearestWords(word, words, 1)
    const help = nearest === undefined ? `known are ${words.join(', ')}` : `did you mean ${nearest}?`
    complain(context, code, `${quoted(word)} is not known; ${help}`)
    return z.NEVER
  })
}

/** A whole number in digits. */
export function count(min: number, max: number) {
  return z.string().transform((text, context): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (value >= min && value <= max) return value
    complain(context, 'invalid_number', `${quoted(text)} is not a whole number from ${min} to ${max}`)
    return z.NEVER
  })
}

/** `true` or `false`. */
export const flag = z.string().transform((text, context): boolean => {
  if (text !== 'true' && text !== 'false') complain(context, 'invalid_flag', `${quoted(text)} is neither true nor false`)
  return text === 'true'
})

/** A factor with up to three decimal places, in parts per thousand. */
export function permille(min: bigint, max: bigint) {
  return z.string().transform((text, context): bigint => {
    const [, whole = '', fraction = ''] = /^(\d{1,6})(?:\.(\d{1,3}))?$/.exec(text) ?? []
    const value = whole === '' ? -1n : BigInt(whole + fraction.padEnd(3, '0'))
    if (value >= min && value <= max) return value
    complain(context, 'invalid_number', `${quoted(text)} is not a factor from ${shownPermille(min)} to ${shownPermille(max)}`)
    return z.NEVER
  })
}

function shownPermille(value: bigint): string {
  return `${value / 1000n}.${(value % 1000n).toString().padStart(3, '0')}`
}

/** A share from 0 to 1 with up to six decimal places. */
export const share = z.string().transform((text, context): number => {
  if (/^(?:0(?:\.\d{1,6})?|1(?:\.0{1,6})?)$/.test(text)) return Number(text)
  complain(context, 'invalid_number', `${quoted(text)} is not a share from 0 to 1`)
  return z.NEVER
})

/** A price of one million tokens, read into US dollars per token. */
export const usdPerMillion = priceOf(parseUsdPerMillion)

/** A price of one unit in US dollars. */
export const usdPerUnit = priceOf(parseUsd)

function priceOf(read: (text: string) => Usd) {
  return z.string().transform((text, context): Usd => {
    try {
      return read(text)
    } catch (error) {
      complain(context, 'invalid_amount', (error as Error).message)
      return z.NEVER
    }
  })
}

/** A day of the calendar, `YYYY-MM-DD`. */
export const day = z.string().superRefine((text, context) => {
  if (!isDay(text)) complain(context, 'invalid_date', `${quoted(text)} is not a day like "2027-01-31"`)
})

/** Tells whether a text is a day that exists, `YYYY-MM-DD`. */
export function isDay(text: string): boolean {
  const [, year, month, date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? []
  if (year === undefined || month === undefined || date === undefined) return false
  const lastDay = [31, Number(year) % 4 === 0 && (Number(year) % 100 !== 0 || Number(year) % 400 === 0) ? 29 : 28]
  const days = [lastDay[0], lastDay[1], 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][Number(month) - 1]
  return days !== undefined && Number(date) >= 1 && Number(date) <= days
}

/** A list, or one item of it written alone. */
export function listOrOne<Item extends z.ZodType>(item: Item, max: number) {
  return z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1).max(max))
}

/** `type@host` in its plainest form; we only ever show it. */
export const email = line(254, 'invalid_email').refine((text) => /^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>"]+$/.test(text), {
  message: 'is not an e-mail address',
  params: { code: 'invalid_email' },
})
