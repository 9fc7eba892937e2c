/** Asks before a transaction is sent that costs something: a person says yes, or the command line has said it. */
import { RouteplaneError } from '../errors.ts'
import type { CommandContext } from './context.ts'

/** @throws RouteplaneError `usage` when there is nobody to ask; nothing was sent. */
export async function isConfirmed(text: string, { terminal }: Pick<CommandContext, 'terminal'>): Promise<boolean> {
  terminal.error(`${text}\n\n`)
  if (!terminal.isInteractive) {
    throw new RouteplaneError('usage', 'nothing was sent, for there is nobody to ask', {
      hint: 'Send it with --yes.',
      details: { problem: 'not_interactive' },
    })
  }
  return /^y(?:es)?$/i.test((await terminal.ask('Send this? [y/N] ')).trim())
}
