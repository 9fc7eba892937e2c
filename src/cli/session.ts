/** What commands do before their own work: load the config, open the engine, and close it whatever happens. */
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { createLog, type Log } from '../lib/log.ts'
import type { Routeplane } from '../routeplane.ts'
import type { CommandContext } from './context.ts'
import type { Invocation } from './invocation.ts'

/** Loads the config the command line names, or the one that is found. */
export async function loadFor(invocation: Invocation, context: CommandContext): Promise<Config> {
  const { configFile: file } = invocation
  return loadConfig({ environment: context.environment, ...(file === undefined ? {} : { file }) })
}

/** Log lines go to stderr, at the config's level. */
export function logFor(config: Config, { terminal, clock }: CommandContext): Log {
  return createLog(config.log.level, (line) => terminal.error(line), clock.now)
}

/** For commands that look something up: only warnings are said, so that the answer is not lost among them. */
export function quietLogFor(config: Config, { terminal, clock }: CommandContext): Log {
  return createLog(config.log.level === 'debug' ? 'debug' : 'warn', (line) => terminal.error(line), clock.now)
}

/** Opens the engine for one piece of work. */
export async function withEngine<Result>(
  invocation: Invocation,
  context: CommandContext,
  work: (routeplane: Routeplane, config: Config) => Promise<Result>,
): Promise<Result> {
  const config = await loadFor(invocation, context)
  const routeplane = await context.engine.open(config, quietLogFor(config, context))
  try {
    await routeplane.ready()
    return await work(routeplane, config)
  } finally {
    await routeplane.close()
  }
}
