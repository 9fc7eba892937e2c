/** One command line, taken apart and checked against the command it names. */
import { parseArgs } from 'node:util'
import { nearest } from '../config/nearest.ts'
import { RouteplaneError } from '../errors.ts'
import type { Command, OptionSpec } from './command.ts'

export type Invocation = {
  readonly positionals: readonly string[]
  readonly format: string
  /** The file after `-c`. */
  readonly configFile: string | undefined
  text(option: string): string | undefined
  flag(option: string): boolean
}

/** Understood by every command. */
export const sharedOptions = {
  config: { type: 'string', short: 'c', value: '<file>', summary: 'Read this config instead of looking for one.' },
  format: { type: 'string', value: '<format>', summary: 'How to print the result.' },
  debug: { type: 'boolean', summary: 'Print the stack of an error.' },
  help: { type: 'boolean', short: 'h', summary: 'Print this.' },
} as const satisfies Readonly<Record<string, OptionSpec>>

/** @throws RouteplaneError `usage` naming the argument; `details.problem` says which way it was wrong. */
export function parseInvocation(command: Command, args: readonly string[]): Invocation {
  const options = { ...command.options, ...sharedOptions }
  const { values, positionals } = parse(command, args, options)
  checkPositionals(command, positionals)
  if (values['config'] === '') throw usage(command, 'missing_value', '--config needs a value: --config <file>')
  const format = values['format'] ?? command.formats[0]
  if (typeof format !== 'string' || !command.formats.includes(format)) {
    throw usage(command, 'bad_value', `--format is one of ${command.formats.join(', ')}`)
  }
  const text = (option: string) => {
    const value = values[option]
    return typeof value === 'string' ? value : undefined
  }
  return { positionals, format, configFile: text('config'), text, flag: (option) => values[option] === true }
}

type Values = Readonly<Record<string, string | boolean | undefined>>

function parse(command: Command, args: readonly string[], options: Readonly<Record<string, OptionSpec>>) {
  const specs = Object.fromEntries(
    Object.entries(options).map(([name, { type, short }]) => [name, { type, ...(short === undefined ? {} : { short }) }]),
  )
  try {
    const parsed = parseArgs({ args: [...args], options: specs, allowPositionals: true, strict: true })
    return { values: parsed.values as Values, positionals: parsed.positionals }
  } catch (cause) {
    throw misread(command, args, options, cause)
  }
}

/** Says in our words what the parser of arguments said in its own, without repeating a value. */
function misread(
  command: Command,
  args: readonly string[],
  options: Readonly<Record<string, OptionSpec>>,
  cause: unknown,
): RouteplaneError {
  const code = (cause as { code?: unknown }).code
  const known = Object.keys(options)
  const unknown = args.flatMap((arg) => /^--([^=]+)/.exec(arg)?.[1] ?? []).find((name) => !known.includes(name))
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' && unknown !== undefined) {
    const meant = nearest(unknown, known)
    return usage(
      command,
      'unknown_option',
      `there is no option --${unknown.slice(0, 40)}${meant === undefined ? '' : `; did you mean --${meant}?`}`,
    )
  }
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return usage(command, 'unknown_option', 'there is no such option')
  const named = /'(?:-(\w), )?--([\w-]+)/.exec(cause instanceof Error ? cause.message : '')?.[2]
  const option = named === undefined ? undefined : options[named]
  if (option?.type === 'string') return usage(command, 'missing_value', `--${named} needs a value: --${named} ${option.value ?? '<value>'}`)
  return usage(command, 'bad_option', named === undefined ? 'the options cannot be read' : `--${named} takes no value`)
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const required = command.positionals.filter((name) => name.startsWith('<'))
  const missing = required[positionals.length] ?? required.find((_name, at) => positionals[at] === '')
  if (missing !== undefined) throw usage(command, 'missing_argument', `${missing} is missing`)
  if (positionals.length > command.positionals.length)
    throw usage(command, 'too_many_arguments', `too many arguments for "${command.name}"`)
}

/** An error about the command line itself, with the command whose help would have told. */
export function usage(command: Command, problem: string, message: string): RouteplaneError {
  return new RouteplaneError('usage', message, { hint: `See "routeplane ${command.name} --help".`, details: { problem } })
}
