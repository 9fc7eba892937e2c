/** Asks before something is done that cannot be taken back: a person says yes, or the command line has said it. */
import { RouteplaneError } from '../errors.ts'
import type { CommandContext } from './context.ts'

/** What there is to say yes to; a transaction that is sent unless said otherwise. */
type Question = { readonly ask: string; readonly refusal: string; readonly hint: string }

const SENDING: Question = { ask: 'Send this?', refusal: 'nothing was sent, for there is nobody to ask', hint: 'Send it with --yes.' }

/** @throws RouteplaneError `usage` when there is nobody to ask; nothing was done. */
export async function isConfirmed(
  text: string,
  { terminal }: Pick<CommandContext, 'terminal'>,
  { ask, refusal, hint }: Question = SENDING,
): Promise<boolean> {
  terminal.error(`${text}\n\n`)
  if (!terminal.isInteractive) throw new RouteplaneError('usage', refusal, { hint, details: { problem: 'confirmation_required' } })
  return /^y(?:es)?$/i.test((await terminal.ask(`${ask} [y/N] `)).trim())
}
