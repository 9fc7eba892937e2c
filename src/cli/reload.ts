/** `routeplane reload`: has the running gateway take the config anew, whole or not at all. */
import type { Config } from '../config/config.ts'
import { RouteplaneError } from '../errors.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import { plainCommand, type Command } from './command.ts'
import { loadFor } from './session.ts'
import { localToken } from './token.ts'

/** A gateway on this machine answers at once; what takes longer is its registry's doing. */
const ANSWER_MS = 30_000

export const reload: Command = {
  ...plainCommand,
  name: 'reload',
  summary: 'Have the running gateway take the config anew.',
  details: [
    'The file is checked here first. What only a restart can change (address, wallet, ledger) is refused, and then nothing is taken.',
    'SIGHUP does the same.',
  ],
  options: { url: { type: 'string', value: '<url>', summary: 'Where it listens, when not where the config says.' } },
  async run(invocation, context) {
    const config = await loadFor(invocation, context)
    const url = invocation.text('url') ?? addressOf(config)
    const { token } = await localToken(config)
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }) }
    const signal = AbortSignal.any([context.interrupted, AbortSignal.timeout(ANSWER_MS)])
    const response = await fetch(`${url}/v1/reload`, { method: 'POST', headers, body: '{}', redirect: 'error', signal }).catch(
      (cause: unknown) => {
        throw new RouteplaneError('upstream_unreachable', `no gateway answers at ${url}`, {
          hint: 'Start it with "routeplane serve".',
          cause,
        })
      },
    )
    const said = tryParseJson(await response.text())
    if (response.ok)
      return {
        text: `The gateway at ${url} has taken ${config.source ?? 'the environment'}`,
        value: { url, config: config.source ?? null },
      }
    const error = isRecord(said) && isRecord(said['error']) ? said['error']['message'] : undefined
    throw new RouteplaneError('config_invalid', typeof error === 'string' ? error : `the gateway answered ${response.status}`, {
      details: { status: response.status },
    })
  },
}

/** Where the gateway of a config listens. */
export function addressOf({ listen: { host, port } }: Config): string {
  return `http://${host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host}:${port}`
}
