/** The contract of a command: what it is called, what it takes, and what it gives back. */
import type { CommandContext } from './context.ts'
import type { Invocation } from './invocation.ts'

export type OptionSpec = {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** What stands for the value in help, such as `<file>`. */
  readonly value?: string
  readonly summary: string
}

export type Command = {
  /** One or two words: `serve`, `wallet create`. */
  readonly name: string
  /** Shorter ways of saying it: `models` for `models list`; the empty text for no command at all. */
  readonly aliases: readonly string[]
  /** One line for the list of commands. */
  readonly summary: string
  /** What one must know beyond the summary; lines as they are printed. */
  readonly details: readonly string[]
  /** Names of the positional arguments: `<required>`, `[optional]`, or `(taken)` only to be refused in better words than "too many". */
  readonly positionals: readonly string[]
  readonly options: Readonly<Record<string, OptionSpec>>
  /** Values of `--format`, the default first. */
  readonly formats: readonly [string, ...string[]]
  /** Whether the first interrupt is the command's own to handle, because it has to put things in order before it ends. */
  readonly stopsItself: boolean
  run(invocation: Invocation, context: CommandContext): Promise<CommandResult>
}

export type CommandResult = {
  /** Printed as it is, with a line break at its end. Empty prints nothing. */
  readonly text: string
  /** Printed instead with `--format json`. */
  readonly value: unknown
  /** 0 unless said otherwise. */
  readonly exitCode?: number
}

/** What most commands share. */
export const plainCommand = {
  aliases: [],
  details: [],
  positionals: [],
  options: {},
  formats: ['text', 'json'],
  stopsItself: false,
} as const satisfies Partial<Command>
