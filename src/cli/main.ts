/** Finds the command, parses its flags, prints its result or its error, and gives the exit code. */
import { stripVTControlCharacters } from 'node:util'
import { nearest } from '../config/nearest.ts'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import { scrub } from '../lib/log.ts'
import type { Command, CommandResult } from './command.ts'
import { commands } from './commands.ts'
import type { CommandContext, Interruption } from './context.ts'
import { exitCodeOf, exitCodes } from './exit-code.ts'
import { commandHelp, groupHelp, overview } from './help.ts'
import { parseInvocation } from './invocation.ts'
import { refuseKeys } from './key-on-command-line.ts'
import { json, plain } from './output.ts'
import { readVersion } from './version.ts'

/** Runs one command line to its end and never throws. */
export async function main(args: readonly string[], context: CommandContext): Promise<number> {
  try {
    refuseKeys(args)
    return await dispatch(args, context)
  } catch (thrown) {
    return report(toRouteplaneError(thrown), args, context)
  }
}

async function dispatch(args: readonly string[], context: CommandContext): Promise<number> {
  const [first] = args
  if (first === '--version') return say(context, `${readVersion()}\n`)
  if (first === '--help' || first === '-h') return say(context, overview(commands))
  if (first === 'help') return help(args.slice(1), context)
  const group = groupIn(args)
  if (group.length > 0 && asksForHelp(args)) return help(group, context)
  const { command, rest } = findCommand(args)
  if (asksForHelp(rest)) return say(context, commandHelp(command))
  const invocation = parseInvocation(command, rest)
  const result = await untilInterrupted(command, command.run(invocation, context), context.interrupted)
  print(result, invocation.format, context)
  return result.exitCode ?? exitCodes.ok
}

function say(context: CommandContext, text: string): number {
  context.terminal.out(text)
  return exitCodes.ok
}

function help(words: readonly string[], context: CommandContext): number {
  if (words.length === 0) return say(context, overview(commands))
  const group = commands.filter((command) => command.name.startsWith(`${words.join(' ')} `))
  if (group.length > 0) return say(context, groupHelp(words.join(' '), group))
  return say(context, commandHelp(findCommand(words).command))
}

/** The words that several commands begin with and none is called: `wallet`, `registry canonical`. */
function groupIn(args: readonly string[]): readonly string[] {
  const end = args.findIndex((arg) => arg.startsWith('-'))
  const words = end === -1 ? args : args.slice(0, end)
  const name = words.join(' ')
  const isCommand = commands.some((command) => command.name === name || command.aliases.includes(name))
  return !isCommand && commands.some((command) => command.name.startsWith(`${name} `)) ? words : []
}

/** After `--` nothing is an option. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

/** The longest name or alias that the words begin with; no words at all is the default command. */
function findCommand(args: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  const [first = '', second = '', third = ''] = args
  // What a shell makes of a variable that is not set; it must not start a gateway.
  if (args[0] === '') throw unknownCommand(first)
  for (const [name, rest] of [
    [`${first} ${second} ${third}`, args.slice(3)],
    [`${first} ${second}`, args.slice(2)],
    [first.startsWith('-') ? '' : first, first.startsWith('-') ? args : args.slice(1)],
  ] as const) {
    const command = commands.find((each) => each.name === name || each.aliases.includes(name))
    if (command !== undefined && !isMistypedGroup(command, name, rest)) return { command, rest }
  }
  throw unknownCommand(first, second, third)
}

/** `models shwo x` is a mistyped `models show x`, not `models list` with arguments it does not take. */
function isMistypedGroup(command: Command, name: string, rest: readonly string[]): boolean {
  const isAlias = command.name !== name && name !== ''
  return isAlias && command.positionals.length === 0 && rest[0] !== undefined && !rest[0].startsWith('-')
}

/** What other programs call it. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['check', 'doctor'],
  ['status', 'wallet status'],
  ['balance', 'wallet status'],
  ['start', 'serve'],
])

function unknownCommand(first: string, ...words: readonly string[]): RouteplaneError {
  const [second = '', third = ''] = words
  const inner = commands.filter((command) => command.name.startsWith(`${first} ${second} `))
  const group = inner.length > 0 && second !== '' ? inner : commands.filter((command) => command.name.startsWith(`${first} `))
  const [typedGroup, next] = group === inner ? [`${first} ${second}`, third] : [first, second]
  if (group.length > 0 && (next === '' || next.startsWith('-'))) {
    const names = group.map((command) => `"routeplane ${command.name}"`)
    return new RouteplaneError('usage', `"${typedGroup}" needs ${group === inner ? 'a third' : 'a second'} word`, {
      hint: `One of ${names.join(', ')}.`,
      details: { problem: 'missing_argument' },
    })
  }
  const typed = plain(group.length > 0 ? `${typedGroup} ${next}` : first).slice(0, 60)
  const names = group.length > 0 ? group.map((command) => command.name) : commands.flatMap((command) => command.name.split(' ').slice(0, 1))
  const meant = otherNames.get(typed) ?? nearest(typed, [...new Set(names)])
  return new RouteplaneError('usage', `there is no command "${typed}"`, {
    hint: meant === undefined ? 'See "routeplane --help".' : `Did you mean "routeplane ${meant}"?`,
    details: { problem: 'unknown_command' },
  })
}

/** A command that has nothing to put in order ends where it stands. */
async function untilInterrupted(command: Command, running: Promise<CommandResult>, interrupted: AbortSignal): Promise<CommandResult> {
  if (command.stopsItself) {
    const result = await running
    return interrupted.aborted && result.exitCode === undefined ? { ...result, exitCode: exitCodeOfSignal(interrupted) } : result
  }
  return new Promise((resolve, reject) => {
    const stop = () => reject(new RouteplaneError('cancelled', 'interrupted'))
    if (interrupted.aborted) stop()
    interrupted.addEventListener('abort', stop, { once: true })
    void running.then(resolve, reject).finally(() => interrupted.removeEventListener('abort', stop))
  })
}

/** Being told to stop by a supervisor and having stopped is a success. */
function exitCodeOfSignal(interrupted: AbortSignal): number {
  return (interrupted.reason as Interruption | undefined)?.signal === 'SIGTERM' ? exitCodes.ok : exitCodes.interrupted
}

function print(result: CommandResult, format: string, { terminal }: CommandContext): void {
  if (format === 'json') return terminal.out(json(result.value))
  if (result.text !== '') terminal.out(result.text.endsWith('\n') ? result.text : `${result.text}\n`)
}

function report(error: RouteplaneError, args: readonly string[], { terminal }: CommandContext): number {
  const { code, message, hint, money, details } = error
  if (wantsJson(args)) {
    const body = { error: { code, message: scrub(message), ...(hint === undefined ? {} : { hint }), money, details } }
    terminal.error(`${JSON.stringify(body, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each))}\n`)
  } else {
    const lines = [`routeplane: ${message}`, ...moreProblems(error), ...(hint === undefined ? [] : [`  hint: ${hint}`])]
    terminal.error(lines.map((text) => `${scrub(plain(stripVTControlCharacters(text)))}\n`).join(''))
  }
  if (args.includes('--debug')) terminal.error(`${scrub(hideKeys(stackOf(error)))}\n`)
  return exitCodeOf(error)
}

/** The other complaints about a config; the first one is the message already. */
function moreProblems({ details }: RouteplaneError): readonly string[] {
  const problems = Array.isArray(details['problems']) ? (details['problems'] as { path: string; message: string; line?: number }[]) : []
  return problems.slice(1).map(({ path, message, line }) => `  also${line === undefined ? '' : ` line ${line}`}: ${path}: ${message}`)
}

function wantsJson(args: readonly string[]): boolean {
  return args.includes('--format=json') || args.some((arg, at) => arg === '--format' && args[at + 1] === 'json')
}

/** A stack carries other people's texts. In those, 32 bytes of hex may be a transaction, but may also be a key. */
function hideKeys(text: string): string {
  return text.replace(/0x[0-9a-fA-F]{64}/g, '0x[hex]')
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
