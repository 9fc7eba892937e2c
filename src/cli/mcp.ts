/** `routeplane mcp`: the MCP server on standard input and output, as `routeplane-mcp` starts it. */
import { lazily } from '../lib/lazy.ts'
import { toRouteplaneError } from '../errors.ts'
import { plainCommand, type Command } from './command.ts'
import { loadFor, logFor } from './session.ts'

/**
 * Milliseconds after which the engine is opened though nobody has called a tool: what a dead process left unpaid is
 * healed then. Clients that only ask for the tools at their own start have their answer long before.
 */
const OPEN_AFTER_MS = 1_000

export const mcp: Command = {
  ...plainCommand,
  name: 'mcp',
  summary: 'Serve the MCP tools on standard input and output.',
  details: ['Standard output carries the protocol and nothing else; everything said goes to standard error.'],
  formats: ['text'],
  stopsItself: true,
  async run(invocation, context) {
    const stdout = await context.engine.captureStdout()
    const config = await loadFor(invocation, context)
    const log = logFor(config, context)
    const engine = lazily(() => context.engine.open(config, log))
    const opening = setTimeout(() => {
      engine.get().catch((error: unknown) => log.error('the engine cannot be opened', { message: toRouteplaneError(error).message }))
    }, OPEN_AFTER_MS)
    try {
      const exitCode = await context.engine.serveMcpStdio(engine.get, { stdout, log, signal: context.interrupted })
      return { text: '', value: {}, exitCode }
    } finally {
      clearTimeout(opening)
      const routeplane = await engine.begun()?.catch(() => undefined)
      await routeplane?.close()
    }
  },
}
