/** `routeplane mcp`: the MCP server on standard input and output, as `routeplane-mcp` starts it. */
import { plainCommand, type Command } from './command.ts'
import { loadFor, logFor } from './session.ts'

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
    const routeplane = await context.engine.open(config, log)
    try {
      const exitCode = await context.engine.serveMcpStdio(routeplane, { stdout, log, signal: context.interrupted })
      return { text: '', value: {}, exitCode }
    } finally {
      await routeplane.close()
    }
  },
}
