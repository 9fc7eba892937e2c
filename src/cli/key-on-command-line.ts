/** Refuses a command line that holds a key: other users see it in the process list, and the shell writes it down. */
import { RouteplaneError } from '../errors.ts'

const SHORTEST_PHRASE = 12
const KEY = /(?:^|[^0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?:$|[^0-9a-fA-F])/

/** 64 bytes in base58, or their array of numbers. */
const SOLANA_KEY = /^(?:[1-9A-HJ-NP-Za-km-z]{86,88}|\[\s*(?:\d{1,3}\s*,\s*){63}\d{1,3}\s*\])$/

/** A channel's id has the very form of a key: where one is asked for, one is taken. */
const CHANNEL_ID = /^0x[0-9a-fA-F]{64}$/
const takesChannelId = ([group, , ...rest]: readonly string[], arg: string) =>
  group === 'channels' && CHANNEL_ID.test(arg) && rest.includes(arg)

/** @throws RouteplaneError `key_on_command_line`, without a word of what was found. */
export function refuseKeys(args: readonly string[]): void {
  const isKey = args.some(
    (arg) => (KEY.test(arg) && !takesChannelId(args, arg)) || SOLANA_KEY.test(arg) || isPhrase(arg.trim().split(/\s+/)),
  )
  if (isKey || args.filter(isPhraseWord).length >= SHORTEST_PHRASE) throw keyOnCommandLine()
}

export function keyOnCommandLine(): RouteplaneError {
  return new RouteplaneError('key_on_command_line', 'a key may not stand on the command line, where others can read it', {
    hint: 'Treat that key as known to others. Import one with "routeplane wallet import --key-file <file>" or through standard input.',
  })
}

function isPhrase(words: readonly string[]): boolean {
  return words.length >= SHORTEST_PHRASE && words.length % 3 === 0 && words.length <= 24 && words.every(isPhraseWord)
}

/** BIP-39's English words have 3 to 8 letters. */
function isPhraseWord(word: string): boolean {
  return /^[a-z]{3,8}$/.test(word)
}
