/** What a client of MCP is to the setup: where it keeps its servers, and the shape of one. */
import { join } from 'node:path'
import type { Environment } from '../config/environment.ts'

export type SetupClient = {
  /** What the user types. */
  readonly id: string
  readonly name: string
  /** Where the client's own documentation says its user-wide file is. */
  file(environment: Environment): string
  readonly format: 'jsonc' | 'toml'
  /** The member of the file that holds the servers by name. */
  readonly servers: string
  /** Members that the client wants beside `command` and `args`. */
  readonly more?: Readonly<Record<string, string>>
  /** How the client's own model calls can go through the gateway, where it has a setting for that. */
  readonly gateway?: string
}

/** The name under which every client knows us. */
export const SERVER_NAME = 'routeplane'

/** `~/.config`, or where `XDG_CONFIG_HOME` says. */
export function configHome(environment: Environment): string {
  return environment.get('XDG_CONFIG_HOME') ?? join(environment.homeDirectory, '.config')
}

/** `%APPDATA%` of Windows. */
export function roaming(environment: Environment): string {
  return environment.get('APPDATA') ?? join(environment.homeDirectory, 'AppData', 'Roaming')
}

/** Where a desktop application of this platform keeps its settings. */
export function applicationData(environment: Environment): string {
  if (environment.platform === 'darwin') return join(environment.homeDirectory, 'Library', 'Application Support')
  return environment.platform === 'win32' ? roaming(environment) : configHome(environment)
}
