/** The world as a command sees it: streams, environment, interrupts, and the engine behind one small port. */
import type { Writable } from 'node:stream'
import type { Config } from '../config/config.ts'
import type { Environment } from '../config/environment.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log, Secret } from '../lib/log.ts'
import type { Routeplane } from '../routeplane.ts'

export type CommandContext = {
  readonly environment: Environment
  readonly terminal: Terminal
  readonly clock: Clock
  /** Aborts at the first interrupt; its reason is an {@link Interruption}. */
  readonly interrupted: AbortSignal
  /** Runs something at every SIGHUP, which otherwise ends the process. @returns what ends that. */
  onHangUp(run: () => void): () => void
  readonly engine: Engine
}

export type Terminal = {
  /** For results. */
  out(text: string): void
  /** For everything said on the way. */
  error(text: string): void
  /** Whether a person can be asked. */
  readonly isInteractive: boolean
  /** Asks on stderr and reads one line. @throws RouteplaneError `usage` when nobody can be asked. */
  ask(question: string): Promise<string>
  /** Asks on stderr and reads one line without showing it. @throws RouteplaneError `usage` when nobody can be asked. */
  askHidden(question: string): Promise<string>
  /** Reads standard input to its end. @throws RouteplaneError `usage` above `maxBytes`. */
  readInput(maxBytes: number): Promise<string>
}

/** Which signal ended the command. */
export type Interruption = { readonly signal: 'SIGINT' | 'SIGTERM' }

/** Everything heavy, loaded at first use: `--help`, `init` and `config check` never touch it. */
export type Engine = {
  open(config: Config, log: Log): Promise<Routeplane>
  serveHttp(routeplane: Routeplane, options: HttpOptions): Promise<{ readonly url: string; close(): Promise<void> }>
  /** Takes standard output away from everybody but the MCP transport. Call before anything that might print is loaded. */
  captureStdout(): Promise<Writable>
  /** @returns the exit code: 1 when the input could not be read on. */
  serveMcpStdio(open: () => Promise<Routeplane>, options: McpOptions): Promise<0 | 1>
  runDemo(options: DemoOptions): Promise<void>
  readonly keystore: KeystorePort
}

export type HttpOptions = {
  readonly host: string
  readonly port: number
  readonly token?: Secret
  readonly skipAuth: boolean
  readonly log: Log
  /** Takes the config anew. @throws RouteplaneError `config_invalid`, with nothing taken. */
  reload(): Promise<void>
}

export type McpOptions = { readonly stdout: Writable; readonly log: Log; readonly signal: AbortSignal }

export type DemoOptions = {
  /** One provider for each way of paying, and a table, instead of the story. */
  readonly schemes: boolean
  /** Stay up after the story, on the usual port. */
  readonly keep: boolean
  readonly say: (line: string) => void
  /** Without a line break at its end. */
  readonly write: (text: string) => void
  readonly environment: Environment
  readonly log: Log
  readonly signal: AbortSignal
}

/** Key files. Each refuses what it finds wrong with the file with a `keystore_…` code; both give the address. */
export type KeystorePort = {
  create(options: { readonly path: string; readonly password: string }): Promise<string>
  /** `privateKey` is 64 hex digits, with or without `0x`. */
  importKey(options: { readonly path: string; readonly password: string; readonly privateKey: string }): Promise<string>
  createSolana(options: { readonly path: string; readonly password: string }): Promise<string>
  /** `privateKey` is 64 bytes in base58, or the array of numbers of `id.json`. */
  importSolana(options: { readonly path: string; readonly password: string; readonly privateKey: string }): Promise<string>
  /** Gives the key as {@link importKey} takes it. */
  reveal(options: { readonly path: string; readonly password: string }): Promise<Secret>
  /** Gives the key in base58, as {@link importSolana} takes it. */
  revealSolana(options: { readonly path: string; readonly password: string }): Promise<Secret>
}
