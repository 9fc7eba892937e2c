/** `routeplane ledger verify`: whether the books are as they were written. */
import { plainCommand, type Command } from './command.ts'
import { exitCodes } from './exit-code.ts'
import { withEngine } from './session.ts'

export const ledgerVerify: Command = {
  ...plainCommand,
  name: 'ledger verify',
  summary: 'Check that no row of the ledger was edited, added or removed.',
  details: [
    'Every move of money is an event whose hash covers the one before. Ends with 1 at the first that is not as it was written.',
    'Whoever can write the file can also write it anew from the start; compare with "routeplane reconcile" for what the chain says.',
  ],
  async run(invocation, context) {
    const verdict = await withEngine(invocation, context, (routeplane) => routeplane.verifyLedger())
    if (verdict.ok) return { text: 'The ledger is as it was written.', value: { ok: true } }
    return {
      text: `The ledger is NOT as it was written: event ${verdict.brokenAt}: ${verdict.reason}.`,
      value: { ok: false, broken_at: verdict.brokenAt, reason: verdict.reason },
      exitCode: exitCodes.failed,
    }
  },
}
