/** Writes docs/protocols.md from what the encoders really do with one request for each feature. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { protocols } from '../src/protocol/index.ts'
import type { Protocol, ProtocolId } from '../src/protocol/protocol.ts'
import { matrixRows, type MatrixRow } from '../test/conformance/matrix-rows.ts'
import { cellOf, lossesOfCase, targets } from '../test/conformance/matrix-table.ts'

/** Where the page stands. */
export const pagePath = fileURLToPath(new URL('../docs/protocols.md', import.meta.url))

const names: Readonly<Record<ProtocolId, { readonly short: string; readonly title: string; readonly route: string }>> = {
  chat_completions: { short: 'Chat', title: 'Chat Completions', route: 'POST /v1/chat/completions' },
  responses: { short: 'Responses', title: 'Responses', route: 'POST /v1/responses' },
  messages: { short: 'Messages', title: 'Messages', route: 'POST /v1/messages' },
  generate_content: {
    short: 'Gemini',
    title: 'generateContent',
    route: 'POST /v1beta/models/{model}:generateContent, :streamGenerateContent',
  },
}

const marks = { exact: '✓', approximated: '≈', omitted: '○', refused: '✗' } as const

const head = `# Four protocols in, four out

<!-- Written by scripts/generate-protocol-docs.ts from the encoders themselves; a test compares it. Do not edit. -->

Every model can be reached through each of four protocols, whichever of them its provider speaks:

${protocols.map(({ id }) => `- **${names[id].title}** (\`api_protocol: ${id}\`): \`${names[id].route}\``).join('\n')}

**The native lane.** When the provider speaks the caller's protocol, the bytes go through: only the model and our own
fields are changed, so that everything below is exact.

**The translate lane.** Otherwise the request is decoded, planned and written anew, and the answer likewise. What the
provider's protocol cannot take is known before anything is sent:

- the header \`x-routeplane-loss\` has the count of losses and their features, such as \`2; top_k, metadata\`;
- with \`x-routeplane-strict: 1\`, or \`routeplane: { strict: true }\` in the body, each loss becomes a 400
  \`unsupported_parameter\` in the caller's own shape, which names the JSON path;
- a provider that would have to refuse a feature is not asked; when every one would, the answer is that 400;
- among providers, the one that loses less of a request's meaning is preferred, unless the caller has asked for an axis
  such as \`:cost\`, and never before a healthy one when it is not;
- an answer to a JSON Schema is checked against all of it, however much of it could be sent, and one that breaks it has
  \`x-routeplane-schema: violated\`: as a header, or in a stream as a comment after the last event.

## What is carried how

${Object.entries({
  exact: 'carried exactly, or undone on the answer so that nothing is to be seen',
  approximated: 'said another way, and reported',
  omitted: 'left out, and reported',
  refused: 'refused: such a provider is not asked',
})
  .map(([cell, meaning]) => `${marks[cell as keyof typeof marks]} ${meaning}`)
  .join('  \n')}  
– the caller's protocol has no word for it

The columns are caller → provider. They are true of ${protocols.map(({ id }) => `\`${targets[id].model}\` (${names[id].short})`).join(', ')};\nother models may take more or less.
`

/** Writes the page. */
export function protocolPage(): string {
  const pairs = protocols.flatMap((caller) => protocols.filter(({ id }) => id !== caller.id).map((upstream) => ({ caller, upstream })))
  const header = ['', ...pairs.map(({ caller, upstream }) => `${names[caller.id].short} → ${names[upstream.id].short}`)]
  const rows = matrixRows.map((row) => [row.title, ...pairs.map(({ caller, upstream }) => cell(row, caller, upstream))])
  const lines = [header, header.map((_, at) => (at === 0 ? '---' : ':-:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  return `${head}\n${lines.join('\n')}\n\n${details(pairs)}`
}

type Pair = { readonly caller: Protocol; readonly upstream: Protocol }

function cell({ cases }: MatrixRow, caller: Protocol, upstream: Protocol): string {
  const members = cases[caller.id]
  return members === undefined ? '–' : marks[cellOf(lossesOfCase(caller, upstream, members))]
}

/** Says for each feature what is done instead, in the words that callers get. */
function details(pairs: readonly Pair[]): string {
  const sections = matrixRows.flatMap(({ title, cases }) => {
    const told = new Map<string, string[]>()
    for (const { caller, upstream } of pairs) {
      const members = cases[caller.id]
      if (members === undefined) continue
      for (const { feature, action, how } of lossesOfCase(caller, upstream, members)) {
        const line = `\`${feature}\` ${action}: ${how}`
        const where = `${names[caller.id].short} → ${names[upstream.id].short}`
        told.set(line, [...new Set([...(told.get(line) ?? []), where])])
      }
    }
    if (told.size === 0) return []
    return [`### ${title}\n\n${[...told].map(([line, where]) => `- ${line} (${where.join(', ')})`).join('\n')}`]
  })
  return `## What is done instead\n\n${sections.join('\n\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(pagePath, protocolPage())
