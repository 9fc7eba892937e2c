/** Our entry in a client's file: what starts the server, beside whatever the user has added to it. */
import type { Environment } from '../config/environment.ts'
import type { SetupClient } from './client.ts'

/** Members by name, in the order in which they are written. */
export type Entry = Readonly<Record<string, unknown>>

/**
 * How a server is reached: all of it is replaced, because an address of old beside a command is an error to most clients.
 * Everything else in an entry, such as `env` or a timeout, is the user's and stays.
 */
export const transportMembers: readonly string[] = [
  'type',
  'command',
  'args',
  'url',
  'httpUrl',
  'serverUrl',
  'headers',
  'http_headers',
  'env_http_headers',
  'bearer_token_env_var',
]

/** @param configFile absolute, for a server that is to read this config wherever the client starts it. */
export function createEntry(client: SetupClient, environment: Environment, configFile?: string): Entry {
  const words = ['npx', '-y', 'routeplane-mcp', ...(configFile === undefined ? [] : ['-c', configFile])]
  // On Windows npx is a script, which only a shell can start.
  const [command = '', ...args] = environment.platform === 'win32' ? ['cmd', '/c', ...words] : words
  return { ...client.more, command, args }
}

/** The entry as it shall be: ours, and what else was in the old one. */
export function mergeEntry(old: Entry | undefined, ours: Entry): Entry {
  const kept = Object.entries(old ?? {}).filter(([name]) => !transportMembers.includes(name))
  return { ...ours, ...Object.fromEntries(kept) }
}
