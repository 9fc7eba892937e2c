/** `routeplane doctor`: looks at everything that must be right before a request can be answered and paid, within seconds. */
import type { Config } from '../config/config.ts'
import { toRouteplaneError } from '../errors.ts'
import { silentLog } from '../lib/log.ts'
import { plainCommand, type Command, type CommandResult } from './command.ts'
import type { CommandContext } from './context.ts'
import { examine, failed, type Finding } from './doctor/check.ts'
import { checks } from './doctor/index.ts'
import { exitCodes } from './exit-code.ts'
import type { Invocation } from './invocation.ts'
import { counted, table } from './output.ts'
import { loadFor } from './session.ts'

/** All checks together; whoever has not answered by then is not there. */
const LIMIT_MS = 3_000
/** What providers say of their models comes within this, or is not waited for. */
const DOCUMENTS_MS = 1_000

export const doctor: Command = {
  ...plainCommand,
  name: 'doctor',
  summary: 'Look for what is wrong: config, wallet, chains, providers, gateway.',
  details: ['Sends nothing that could cost anything, and ends within five seconds. The exit code is 1 when something is wrong.'],
  async run(invocation, context) {
    const config = await loadFor(invocation, context).catch(toRouteplaneError)
    if (config instanceof Error) return result([{ check: 'config', ...failed(config) }])
    return result([configFinding(config), ...(await findingsOf(config, invocation, context))])
  },
}

type Told = Finding & { readonly check: string }

function configFinding({ source }: Config): Told {
  const message = source === undefined ? 'no file; the keys in the environment decide' : `${source} is valid`
  return { check: 'config', state: 'ok', message }
}

async function findingsOf(config: Config, invocation: Invocation, context: CommandContext): Promise<readonly Told[]> {
  // What it has to say of itself is in the findings.
  const routeplane = await context.engine.open(config, silentLog).catch(toRouteplaneError)
  if (routeplane instanceof Error) return [{ check: 'engine', ...failed(routeplane) }]
  try {
    await Promise.race([routeplane.ready(), context.clock.sleep(DOCUMENTS_MS, context.interrupted)])
    const signal = AbortSignal.any([context.interrupted, AbortSignal.timeout(LIMIT_MS)])
    const examined = { config, routeplane, signal, limitMs: LIMIT_MS }
    const found = await Promise.all(
      checks.map(async (check) => (await examine(check, examined)).map((finding) => ({ check: check.name, ...finding }))),
    )
    return found.flat()
  } finally {
    await routeplane.close()
  }
}

const MARKS = { ok: 'ok', warning: 'look', failed: 'wrong' } as const

function result(findings: readonly Told[]): CommandResult {
  const wrong = findings.filter(({ state }) => state === 'failed')
  const asked = findings.filter(({ isReached }) => isReached !== undefined)
  const isOffline = asked.length > 0 && asked.every(({ isReached }) => isReached === false)
  const rows = findings.map(({ check, subject, state, message }) => [
    MARKS[state],
    subject === undefined ? check : `${check} ${subject}`,
    message,
  ])
  const hints = findings.flatMap(({ hint }) => (hint === undefined ? [] : [hint]))
  const sum = wrong.length === 0 ? 'Nothing is wrong.' : `${counted(wrong.length, 'thing')} wrong.`
  const last = isOffline ? 'Nobody on the network answered: this machine seems to be offline.' : sum
  const value = {
    ok: wrong.length === 0,
    ...(isOffline ? { code: 'offline' } : {}),
    findings: findings.map(({ check, subject, state, message, hint }) => ({
      check,
      ...(subject === undefined ? {} : { subject }),
      state,
      message,
      ...(hint === undefined ? {} : { hint }),
    })),
  }
  const text = [table(['', 'what', 'found'], rows), ...(hints.length === 0 ? [] : ['', ...new Set(hints)]), '', last].join('\n')
  return { text, value, exitCode: wrong.length === 0 ? exitCodes.ok : exitCodes.failed }
}
