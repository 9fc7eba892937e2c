/** `routeplane demo`: a chain, a play dollar, paid providers and the gateway on this machine, in one command. */
import { createLog } from '../lib/log.ts'
import { plainCommand, type Command } from './command.ts'

export const demo: Command = {
  ...plainCommand,
  name: 'demo',
  summary: 'Watch a request being paid, on a chain of play money on this machine.',
  details: ['Needs no key, no account and no cent; nothing leaves this machine and nothing is kept.'],
  formats: ['text'],
  options: {
    keep: { type: 'boolean', summary: 'Stay up afterwards, and say what to paste into curl and into an MCP client.' },
    schemes: { type: 'boolean', summary: 'Pay one provider for each way of paying instead, and print what each cost.' },
  },
  stopsItself: true,
  async run(invocation, { engine, terminal, clock, environment, interrupted }) {
    const log = createLog('warn', (line) => terminal.error(line), clock.now)
    await engine.runDemo({
      keep: invocation.flag('keep'),
      schemes: invocation.flag('schemes'),
      say: (line) => terminal.out(`${line}\n`),
      write: (text) => terminal.out(text),
      environment,
      log,
      signal: interrupted,
    })
    return { text: '', value: {} }
  },
}
