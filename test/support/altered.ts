/** Every change of one member of a signed payment that a dishonest or careless client could make to it, as JSON text. */

/** A payment with one change in it. */
export type Altered = {
  /** The way to the member, such as `payload.authorization.value`. */
  readonly at: string
  readonly change: string
  readonly json: string
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
/** What stands in a member's place, as JSON text; or beside it, as a member of the same name. */
type Change = readonly [name: string, text: string]

const OTHER_ADDRESS = `0x${'de'.repeat(20)}`
const OTHER_BYTES = `0x${'42'.repeat(32)}`
const text = (value: Json): string => JSON.stringify(value)

/** All changes of every member of `payment`, containers included, the root left alone. */
export function alterationsOf(payment: unknown): readonly Altered[] {
  return waysInto(payment as Json).flatMap((way) => {
    const value = way.reduce<Json>((from, name) => (from as Record<string, Json>)[name] ?? null, payment as Json)
    return [...changesOf(value), ...(way.length === 0 ? [] : placeChanges(value))].flatMap(([change, by]) => {
      const json = written(payment as Json, way, by)
      return json === text(payment as Json) ? [] : [{ at: way.join('.'), change, json }]
    })
  })
}

function waysInto(value: Json, way: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [way]
  return [way, ...Object.entries(value).flatMap(([name, member]) => waysInto(member as Json, [...way, name]))]
}

/** Changes of any member, whatever it holds. */
function placeChanges(value: Json): readonly Change[] {
  return [
    ['missing', MISSING],
    ['null', 'null'],
    ['an array of it', `[${text(value)}]`],
    ['a record', '{"value":1}'],
    ['true', 'true'],
    ['told twice, first another', `${OTHER}${text(value)}`],
    ['told twice, then another', `${text(value)}${OTHER}`],
  ]
}

function changesOf(value: Json): readonly Change[] {
  if (typeof value === 'number') return numberChanges(value)
  if (typeof value === 'string') {
    if (/^\d+$/.test(value)) return integerChanges(value)
    return /^0x[0-9a-fA-F]*$/.test(value) ? hexChanges(value) : textChanges(value)
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? [['one member more', MORE]] : []
}

function numberChanges(value: number): readonly Change[] {
  const others = [value + 1, value - 1, 0, -value, value + 0.5, 1e21].map((each): Change => [`${each}`, text(each)])
  return [...others, ['as a text', text(String(value))]]
}

function integerChanges(value: string): readonly Change[] {
  const whole = BigInt(value)
  const texts: readonly (readonly [string, string])[] = [
    ['one more', `${whole + 1n}`],
    ['one less', `${whole - 1n}`],
    ['zero', '0'],
    ['2^256', `${2n ** 256n}`],
    ['2^256 more', `${2n ** 256n + whole}`],
    ['negative', `-${value}`],
    ['a leading zero', `0${value}`],
    ['a sign', `+${value}`],
    ['a fraction', `${value}.0`],
    ['an exponent', `${value}e0`],
    ['hexadecimal', `0x${whole.toString(16)}`],
    ['full-width digits', value.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))],
    ['spaces around', ` ${value} `],
    ['empty', ''],
    ['very long', value + '0'.repeat(3_000)],
  ]
  return [...texts.map(([name, each]): Change => [name, text(each)]), ['as a number', value]]
}

function hexChanges(value: string): readonly Change[] {
  const last = value.endsWith('1') ? '2' : '1'
  const texts: readonly (readonly [string, string])[] = [
    ['another last digit', value.slice(0, -1) + last],
    ['another first digit', value.replace(/^0x(.)/, (_all, first: string) => `0x${first === '1' ? '2' : '1'}`)],
    ['another address', OTHER_ADDRESS],
    ['other bytes', OTHER_BYTES],
    ['zeros', value.replaceAll(/(?<=^0x.*)./g, '0')],
    ['in capitals', `0x${value.slice(2).toUpperCase()}`],
    ['in small letters', value.toLowerCase()],
    ['a capital X', `0X${value.slice(2)}`],
    ['a byte more', `${value}00`],
    ['a byte before', `0x00${value.slice(2)}`],
    ['a byte less', value.slice(0, -2)],
    ['without 0x', value.slice(2)],
    ['spaces around', ` ${value} `],
    ['empty', ''],
    ['0x', '0x'],
    ['very long', value + '00'.repeat(2_000)],
  ]
  return [...texts.map(([name, each]): Change => [name, text(each)]), ['a number', '1']]
}

function textChanges(value: string): readonly Change[] {
  const texts: readonly (readonly [string, string])[] = [
    ['empty', ''],
    ['a space behind', `${value} `],
    ['a space before', ` ${value}`],
    ['a letter more', `${value}x`],
    ['a letter less', value.slice(1)],
    ['in upper case', value.toUpperCase()],
    ['very long', value.repeat(60)],
  ]
  const others = ['eip155:1', 'base', 'exact', 'https://elsewhere.example/v1', '\u0000', '__proto__'].map((each) => [each, each] as const)
  return [...[...texts, ...others].map(([name, each]): Change => [name, text(each)]), ['a number', '1']]
}

const [MISSING, MORE, OTHER] = ['\u0000missing', '\u0000more', '\u0000other']

/** JSON with `by` in a member's place. */
function written(value: Json, [name, ...rest]: readonly string[], by: string): string {
  if (typeof value !== 'object' || value === null || name === undefined) {
    if (by !== MORE) return by
    return text({ ...(value as object), 'one-more': { deep: [1, null] } })
  }
  if (Array.isArray(value))
    return `[${value
      .flatMap((each: Json, at) => {
        if (String(at) !== name) return [text(each)]
        if (rest.length > 0) return [written(each, rest, by)]
        return by === MISSING ? [] : by.split(OTHER).map((one) => (one === '' ? '"0x1"' : written(each, rest, one)))
      })
      .join(',')}]`
  const members = Object.entries(value).flatMap(([own, member]) => {
    if (own !== name) return [`${text(own)}:${text(member as Json)}`]
    if (rest.length > 0) return [`${text(own)}:${written(member as Json, rest, by)}`]
    if (by === MISSING) return []
    if (!by.includes(OTHER)) return [`${text(own)}:${written(member as Json, rest, by)}`]
    const twice = by.split(OTHER).map((each) => `${text(own)}:${each === '' ? '"0x1"' : each}`)
    return twice
  })
  return `{${members.join(',')}}`
}
