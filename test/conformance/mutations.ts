/** Ways in which a recorded stream may be broken on its way, or by a provider that means harm; each is told by a seed. */

/** A stream's events as they stand between blank lines, and its bytes. */
type Mutation = (bytes: Buffer, random: Random) => Buffer

/** Gives whole numbers from 0 below `limit`. */
export type Random = (limit: number) => number

/** A small generator of its own, so that a seed means the same on every machine. @see Marsaglia, "Xorshift RNGs" (2003) */
export function randomOf(seed: number): Random {
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1
  return (limit) => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % limit
  }
}

const eventsOf = (bytes: Buffer): string[] => bytes.toString('latin1').split(/(?<=\r?\n\r?\n)/)
const joined = (events: readonly string[]): Buffer => Buffer.from(events.join(''), 'latin1')

/** Values of wrong kinds, extreme sizes and names with a meaning of their own. */
const oddities: readonly string[] = [
  ...['null', 'true', '-1', '0', '1e308', '1e999', '9007199254740993', '-0.5', '""', '"x"', '[]', '{}', '[null]', '[[]]', '{"":{}}'],
  ...['"\\ud800"', '"\\u0000"', '{"__proto__":{"x":1}}', '{"constructor":1}', '[1,"a",null,{}]', '"9".repeat', `"${'y'.repeat(3_000)}"`],
]

/** A JSON value somewhere in the text: its place is found by scanning for a colon. */
function replaceValue(text: string, random: Random): string {
  const places = [...text.matchAll(/":\s*("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\{\}|\[\])/g)]
  const place = places[random(Math.max(1, places.length))]
  const oddity = oddities[random(oddities.length)] ?? 'null'
  if (place?.[1] === undefined) return text
  const at = place.index + place[0].length - place[1].length
  return text.slice(0, at) + oddity + text.slice(at + place[1].length)
}

/** Takes a member out, or says it twice with another value. */
function changeMember(text: string, random: Random): string {
  const places = [...text.matchAll(/"[a-zA-Z_]+":\s*("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null),?/g)]
  const place = places[random(Math.max(1, places.length))]
  if (place === undefined) return text
  const [whole] = place
  const name = whole.slice(0, whole.indexOf(':'))
  const changed = random(2) === 0 ? '' : `${name}:${oddities[random(oddities.length)] ?? 'null'},${whole}`
  return text.slice(0, place.index) + changed + text.slice(place.index + whole.length)
}

function inOneEvent(change: (text: string, random: Random) => string): Mutation {
  return (bytes, random) => {
    const events = eventsOf(bytes)
    const at = random(events.length)
    return joined(events.with(at, change(events[at] ?? '', random)))
  }
}

export const mutations: Readonly<Record<string, Mutation>> = {
  'a bit flipped': (bytes, random) => {
    const copy = Buffer.from(bytes)
    const at = random(copy.length)
    copy[at] = (copy[at] ?? 0) ^ (1 << random(8))
    return copy
  },
  'cut short': (bytes, random) => bytes.subarray(0, random(bytes.length)),
  'a piece missing': (bytes, random) => {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(40))])
  },
  'an event missing': (bytes, random) => {
    const events = eventsOf(bytes)
    return joined(events.toSpliced(random(events.length), 1))
  },
  'an event twice': (bytes, random) => {
    const events = eventsOf(bytes)
    const at = random(events.length)
    return joined(events.toSpliced(at, 0, events[at] ?? ''))
  },
  'two events in the wrong order': (bytes, random) => {
    const events = eventsOf(bytes)
    const [one, other] = [random(events.length), random(events.length)]
    return joined(events.with(one, events[other] ?? '').with(other, events[one] ?? ''))
  },
  'the events of one answer after those of another': (bytes, random) => {
    const events = eventsOf(bytes)
    return joined([...events.slice(0, random(events.length)), ...events])
  },
  'another value': inOneEvent(replaceValue),
  'another member': inOneEvent(changeMember),
  'several values': (bytes, random) => {
    const change = inOneEvent(replaceValue)
    return [1, 2, 3, 4].reduce((current) => change(current, random), bytes)
  },
  'bytes that are no UTF-8': (bytes, random) => {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80]), bytes.subarray(at)])
  },
  'a zero byte': (bytes, random) => {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), Buffer.from([0]), bytes.subarray(at)])
  },
  'marks of byte order': (bytes, random) => {
    const mark = Buffer.from([0xef, 0xbb, 0xbf])
    const at = random(2) === 0 ? 0 : random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), mark, bytes.subarray(at)])
  },
  'other line ends': (bytes, random) =>
    Buffer.from(bytes.toString('latin1').replaceAll('\n', ['\r\n', '\r', '\n\n'][random(3)] ?? '\n'), 'latin1'),
  'a stranger among the events': (bytes, random) => {
    const strangers = [
      ': ping\n\n',
      'event: ping\ndata: {"type":"ping"}\n\n',
      'data: [DONE]\n\n',
      'data: null\n\n',
      'data: []\n\n',
      'data: 7\n\n',
    ]
    const more = [
      'data:\n\n',
      'event: x\n\n',
      'id: 1\nretry: 5\n\n',
      'data: {"error":null}\n\n',
      'data: {"error":{"message":"no","code":429}}\n\n',
      'nonsense\n\n',
    ]
    const all = [...strangers, ...more]
    const events = eventsOf(bytes)
    return joined(events.toSpliced(random(events.length + 1), 0, all[random(all.length)] ?? ''))
  },
}
