/** Writes help from the commands themselves, so that it cannot say anything else. */
import type { Command, OptionSpec } from './command.ts'
import { sharedOptions } from './invocation.ts'

const WIDTH = 26

/** All commands, one line each. */
export function overview(commands: readonly Command[]): string {
  return [
    'routeplane: one endpoint for every model, paid per request within your caps',
    '',
    'Usage: routeplane [command] [options]',
    '',
    'Commands',
    ...commands.map((command) => row(command.aliases.includes('') ? `${command.name} (default)` : command.name, command.summary)),
    '',
    'Options',
    ...Object.entries(sharedOptions).map(([name, option]) => row(flagText(name, option), option.summary)),
    row('--version', 'Print the version.'),
    '',
    'Exit codes: 0 ok, 1 failed, 2 usage or config, 3 payment or budget, 4 wallet, 5 ledger, 130 interrupted.',
    'Help on one command: routeplane <command> --help',
    '',
  ].join('\n')
}

/** One command in full. */
export function commandHelp(command: Command): string {
  const usage = ['routeplane', command.name, ...command.positionals.filter((name) => !name.startsWith('(')), '[options]'].join(' ')
  const shared = {
    ...sharedOptions,
    format: { ...sharedOptions.format, summary: `${command.formats.join(' or ')}; ${command.formats[0]} by default.` },
  }
  return [
    command.summary,
    '',
    `Usage: ${usage}`,
    '',
    ...(command.details.length === 0 ? [] : [...command.details, '']),
    'Options',
    ...Object.entries({ ...command.options, ...shared }).map(([name, option]) => row(flagText(name, option), option.summary)),
    '',
  ].join('\n')
}

/** The commands that begin with a word, for one who stopped after it. */
export function groupHelp(group: string, commands: readonly Command[]): string {
  return [`Commands of "${group}"`, ...commands.map((command) => row(command.name, command.summary)), ''].join('\n')
}

function flagText(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? '' : `-${option.short}, `
  return `${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`
}

function row(left: string, right: string): string {
  return `  ${left.padEnd(WIDTH)}  ${right}`.trimEnd()
}
