/** Writes docs/settlement.md from the function that decides what a caller is charged. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { everyOutcome, settlementOf, type Charging, type Outcome } from '../src/selling/settlement-matrix.ts'

/** Where the page stands. */
export const pagePath = fileURLToPath(new URL('../docs/settlement.md', import.meta.url))

const head = `# What a paid call costs

<!-- Written by scripts/generate-settlement-docs.ts from src/selling/settlement-matrix.ts; a test compares it. Do not edit. -->

With \`charge:\` in the config, a caller without a key pays per call. He is asked with one 402, before any provider is; the price is
the most that the request can cost, plus the margin, or the model's own price. What is then taken depends on how the answer ends.

- **Whole or nothing** (\`exact\`, and \`evm/charge\` and \`tempo/charge\` of MPP): the quote is collected beside the answer, from its first part on; only the end waits for it.
- **Metered** (channels, \`upto\`, \`tempo/session\`): what was delivered is collected at the end, never more than the quote.

A session's first voucher covers what the request begins with: all of it, or of a stream what was sent and one token. A stream then
asks for the next voucher between two events (\`payment-need-voucher\`) and goes on when it has come; without it the answer ends, and
what was promised until then is taken. Vouchers, deposits and the end of the channel are POSTed to the same URL without a body. A
channel that nobody has used for ten minutes is ended for what was charged, by the key that \`charge.facilitator\` names; the rest
goes back to its payer. So is one that he asks the network for himself: within a minute, or as soon as no answer is under way, at
the latest after half of the time that he has to wait.

"Again" is what the same request with the same payment gets: it is never charged twice. While the first is being answered, every
copy gets 409 with \`retry-after\`. An answer is kept for a day, up to 1 MiB, and outlives the process. A payment whose settlement is
not known yet is answered with 503 and no new challenge. "The same payment" is the credential with the offer or challenge that it
answers, and no two of those are equal, though they be asked for the same in the same moment: what the chain shows of a payment
fetches nobody's answer, but for payments of x402 v1, which name no offer.

A payment is judged before it is taken: junk in a payer's name, under the very number of his payment, keeps him from nothing. A
plain signature shows by itself whose it is; for one of a contract the node is asked first.

What a payer has signed and not paid yet is counted together: a payment that his balance does not cover beside those before it gets
a 402, and may be sent again once they are collected. A payer whose payment could not be collected after all, as when he has moved
his money meanwhile, has had one answer without its end; for an hour his payments are collected before any provider is asked, and
one that is metered gets a 402. What a channel is filled with counts like any other payment.

Out of a channel of \`batch-settlement\` nothing is sold while its payer is taking it back, and its vouchers are signed by the key
that it names as \`payerAuthorizer\`: what the code of a wallet signs might be no longer good when it is claimed. An answer that is
paid so ends after ten minutes. Channels are claimed from every ten minutes, and one that was emptied keeps no other from it.

A payment that was collected and whose answer broke off stays in the books as its payer's credit: the same request with the same
payment is answered again, three times at most, by whichever provider can, and nothing more is charged. So does one that would have
expired before its answer began, as those of Tempo do after half a minute: it is collected ten seconds before its end, and if the
provider fails then, the same payment is good for another try.

What was collected is looked at again until the network holds its block to be safe. If a reorganisation takes it back, it is
collected again while the payment is good; later it is lost, the books say so, and its payer is answered no more for it. A node that
lags may have it looked for again, never collected twice. What a payer has put into a channel is looked at once a minute while he
buys out of it: a deposit that was taken back buys nothing more.

A client of \`batch-settlement\` signs twice for the call after a stream: it reads what a call came to in the headers alone, and those
of a stream leave before that is known, so that it hears of it by the 402 of its next call. A voucher on the old base is not taken in
its place: it promises one price beyond a base that the stream has moved, which is less than that price by what the stream came to.

"The gateway died" is a process that is killed at any moment before it has written down what is due; a metered answer is kept together
with that, and is there to be fetched by who is charged for it. A machine that loses its power within the milliseconds between the
first part of an answer and the sync of what is due for it has given that part away: the payment is not collected, and buys again.
`

const titles: Readonly<Record<Charging, string>> = { quote: 'Whole or nothing', usage: 'Metered' }

const words = {
  delivery: { none: 'nothing', part: 'a part', all: 'all' },
  closedBy: { end: 'the answer ended', caller: 'the caller left', provider: 'the provider failed', gateway: 'the gateway died' },
} as const

export function settlementPage(): string {
  const sections = (['quote', 'usage'] as const).map((charging) => {
    const rows = everyOutcome().filter((outcome) => outcome.charging === charging)
    return `## ${titles[charging]}\n\n| delivered | ended because | usage | charged | again |\n|---|---|---|---|---|\n${rows.map(rowOf).join('\n')}\n`
  })
  return [head, ...sections].join('\n')
}

function rowOf(outcome: Outcome): string {
  const { charge, again } = settlementOf(outcome)
  return `| ${words.delivery[outcome.delivery]} | ${words.closedBy[outcome.closedBy]} | ${outcome.usage} | ${charge} | ${again} |`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(pagePath, settlementPage())
