/** `routeplane serve`: the HTTP gateway, until it is told to stop. */
import type { Config } from '../config/config.ts'
import { toRouteplaneError } from '../errors.ts'
import { plainCommand, type Command } from './command.ts'
import type { CommandContext } from './context.ts'
import { usage, type Invocation } from './invocation.ts'
import { json } from './output.ts'
import { loadFor, logFor } from './session.ts'
import type { Routeplane } from '../routeplane.ts'
import { localToken, type LocalToken } from './token.ts'

export const serve: Command = {
  ...plainCommand,
  name: 'serve',
  aliases: [''],
  summary: 'Serve the four LLM protocols over HTTP.',
  details: ['Stops taking requests at the first interrupt and ends when the running ones are settled.'],
  options: { port: { type: 'string', value: '<port>', summary: 'Listen here instead of where the config says; 0 picks a free port.' } },
  stopsItself: true,
  async run(invocation, context) {
    const config = await loadFor(invocation, context)
    const port = portOf(invocation, config)
    const local = await localToken(config)
    const log = logFor(config, context)
    const routeplane = await context.engine.open(config, log)
    try {
      const { token } = local
      const { host } = config.listen
      const reload = async () => {
        await routeplane.reload(await loadFor(invocation, context))
        log.info('config taken')
      }
      const options = { reload, host, port, skipAuth: config.skipAuth, log, ...(token === undefined ? {} : { token }) }
      const server = await context.engine.serveHttp(routeplane, options)
      try {
        announce({ url: server.url, local, config, routeplane }, invocation, context)
        const forget = context.onHangUp(() => {
          reload().catch((error: unknown) => log.error('config kept as it was', { message: toRouteplaneError(error).message }))
        })
        await aborted(context.interrupted)
        forget()
      } finally {
        await server.close()
      }
    } finally {
      await routeplane.close()
    }
    return { text: '', value: { stopped: true } }
  },
}

function portOf(invocation: Invocation, config: Config): number {
  const text = invocation.text('port')
  if (text === undefined) return config.listen.port
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw usage(serve, 'bad_value', '--port is a whole number from 0 to 65535')
}

type Started = { readonly url: string; readonly local: LocalToken; readonly config: Config; readonly routeplane: Routeplane }

/** Says where to connect and where the token is, never what it is. */
function announce({ url, local, config, routeplane }: Started, invocation: Invocation, { terminal }: CommandContext): void {
  if (invocation.format === 'json') {
    return terminal.out(json({ url, token_file: local.file ?? null, config: config.source ?? null, network: config.wallet.network }))
  }
  const token = config.skipAuth ? 'none is asked for (skip_auth)' : (local.file ?? 'auth_token of the config')
  const lines = [
    `Routeplane listens on ${url}`,
    `  config  ${config.source ?? 'none found; providers by the keys in the environment'}`,
    `  token   ${token}`,
    `  wallet  ${config.wallet.network}`,
  ]
  if (
    routeplane.catalog.models({ includeHidden: true }).length === 0 &&
    config.providers.length === 0 &&
    config.registry.url === undefined
  ) {
    lines.push('  No provider is configured: "routeplane init" writes a config to fill in.')
  }
  terminal.out(`${lines.join('\n')}\n`)
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
