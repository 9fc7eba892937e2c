/** The world as a command sees it: streams, environment, interrupts, and the engine behind one small port. */
import type { Config } from '../config/config.ts'
import type { Environment } from '../config/environment.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log, Secret } from '../lib/log.ts'
import type { Usd } from '../money.ts'
import type { Routeplane } from '../routeplane.ts'

export type CommandContext = {
  readonly environment: Environment
  readonly terminal: Terminal
  readonly clock: Clock
  /** Aborts at the first interrupt; its reason is an {@link Interruption}. */
  readonly interrupted: AbortSignal
  readonly engine: Engine
}

export type Terminal = {
  /** For results. */
  out(text: string): void
  /** For everything said on the way. */
  error(text: string): void
  /** Whether a person can be asked. */
  readonly isInteractive: boolean
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
  captureStdout(): Promise<unknown>
  serveMcpStdio(routeplane: Routeplane, options: McpOptions): Promise<void>
  runDemo(options: DemoOptions): Promise<void>
  reconcile(config: Config, options: ReconcileOptions): Promise<Reconciliation>
  readonly keystore: KeystorePort
}

export type HttpOptions = {
  readonly host: string
  readonly port: number
  readonly token?: Secret
  readonly skipAuth: boolean
  readonly log: Log
}

export type McpOptions = { readonly stdout: unknown; readonly log: Log; readonly signal: AbortSignal }

export type DemoOptions = { readonly say: (line: string) => void; readonly log: Log; readonly signal: AbortSignal }

/** Key files. Each refuses what it finds wrong with the file with a `keystore_…` code; both give the address. */
export type KeystorePort = {
  create(options: { readonly path: string; readonly password: string }): Promise<string>
  /** `privateKey` is 64 hex digits, with or without `0x`. */
  import(options: { readonly path: string; readonly password: string; readonly privateKey: string }): Promise<string>
}

/** Blocks are inclusive; left out, the engine goes from the first open attempt to the safe head. */
export type ReconcileOptions = { readonly fromBlock?: bigint; readonly toBlock?: bigint; readonly log: Log }

/** The ledger laid beside the chain. */
export type Reconciliation = {
  readonly network: string
  readonly address: string
  readonly fromBlock: bigint
  readonly toBlock: bigint
  readonly ledgerUsd: Usd
  readonly chainUsd: Usd
  /** Attempts that were open and have an end now. */
  readonly resolved: number
  readonly differences: readonly {
    readonly kind: 'only_on_chain' | 'only_in_ledger' | 'amount'
    readonly receiptId?: string
    readonly transaction?: string
    readonly ledgerUsd?: Usd
    readonly chainUsd?: Usd
  }[]
}
