/** `routeplane demo`: a chain, a play dollar, paid providers and the gateway on this machine, in one command. */
import { createLog } from '../lib/log.ts'
import { plainCommand, type Command } from './command.ts'

export const demo: Command = {
  ...plainCommand,
  name: 'demo',
  summary: 'Watch a request being paid, on a chain of play money on this machine.',
  details: ['Needs no key, no account and no cent; nothing leaves this machine and nothing is kept.'],
  formats: ['text'],
  stopsItself: true,
  async run(_invocation, { engine, terminal, clock, interrupted }) {
    const log = createLog('warn', (line) => terminal.error(line), clock.now)
    await engine.runDemo({ say: (line) => terminal.out(`${line}\n`), log, signal: interrupted })
    return { text: '', value: {} }
  },
}
