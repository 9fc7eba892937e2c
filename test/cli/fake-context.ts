/** A command's world made of plain values: what was printed is kept, and the engine is one object in memory. */
import { noAllowances, noKeys, noProviders, noSales } from '../support/no-providers.ts'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { CommandContext, Engine, Interruption } from '../../src/cli/context.ts'
import { main } from '../../src/cli/main.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Routeplane, Status } from '../../src/routeplane.ts'
import { parseUsd } from '../../src/money.ts'
import { createFolder } from '../support/folder.ts'

export type World = {
  readonly directory: string
  readonly interrupt: (signal: Interruption['signal']) => void
  /** Runs one command line. */
  run(...args: string[]): Promise<{ code: number; out: string; error: string }>
  /** What a pattern's first group has found in anything printed by a command that still runs. */
  said(pattern: RegExp): Promise<string>
}

export type WorldOptions = {
  /** Default: that of this process. */
  readonly platform?: NodeJS.Platform
  readonly variables?: Readonly<Record<string, string>>
  readonly engine?: Partial<Engine>
  readonly routeplane?: Partial<Routeplane>
  /** Answers to questions; their presence makes the terminal interactive. */
  readonly answers?: readonly string[]
  readonly input?: string
  readonly onHangUp?: (run: () => void) => void
}

export const emptyStatus: Status = { version: '0.0.0', network: 'eip155:84532', caps: [], openAttempts: 0, providers: 0, models: 0 }

export function createWorld(options: WorldOptions = {}): World {
  const directory = createFolder('cli')
  const interruption = new AbortController()
  let said = ''
  return {
    directory,
    said: (pattern) =>
      expect
        .poll(() => pattern.exec(said)?.[1])
        .toBeTypeOf('string')
        .then(() => pattern.exec(said)?.[1] ?? ''),
    interrupt: (signal) => interruption.abort({ signal } satisfies Interruption),
    async run(...args) {
      const printed = { out: '', error: '' }
      const answers = [...(options.answers ?? [])]
      const context: CommandContext = {
        environment: createEnvironment(options.variables ?? {}, join(directory, 'home'), directory, options.platform),
        terminal: {
          out: (text) => {
            printed.out += text
            said += text
          },
          error: (text) => void (printed.error += text),
          isInteractive: options.answers !== undefined,
          ask: async (question) => {
            printed.error += `${question}\n`
            return answers.shift() ?? ''
          },
          askHidden: async (question) => {
            printed.error += `${question}\n`
            return answers.shift() ?? ''
          },
          readInput: async () => options.input ?? '',
        },
        clock: systemClock,
        interrupted: interruption.signal,
        onHangUp: (run) => {
          options.onHangUp?.(run)
          return () => {}
        },
        engine: createFakeEngine(options),
      }
      const code = await main(args, context)
      return { code, ...printed }
    },
  }
}

function createFakeEngine(options: WorldOptions): Engine {
  const absent = async () => {
    throw new RouteplaneError('internal', 'this part of the engine was not expected to be used')
  }
  return {
    open: async () => createFakeRoutePlane(options.routeplane ?? {}),
    serveHttp: absent,
    captureStdout: absent,
    serveMcpStdio: absent,
    runDemo: absent,
    keystore: { create: absent, importKey: absent, createSolana: absent, importSolana: absent, reveal: absent, revealSolana: absent },
    ...options.engine,
  }
}

function createFakeRoutePlane(parts: Partial<Routeplane>): Routeplane {
  return {
    complete: async () => {
      throw new RouteplaneError('internal', 'no command sends anything')
    },
    explain: async (call) => ({
      requestId: call.id,
      requested: call.read.model,
      resolved: [],
      capUsd: parseUsd('0.5'),
      candidates: [],
      refused: [],
      attempts: [],
    }),
    replay: async () => undefined,
    reload: async () => {},
    providers: noProviders,
    sales: noSales,
    keys: noKeys,
    allowances: noAllowances,
    catalog: { models: () => [], model: () => undefined },
    receipts: {
      list: async () => [],
      get: async () => undefined,
      papers: async () => [],
      verify: async (id) => {
        throw new RouteplaneError('receipt_not_found', `there is no receipt ${id}`)
      },
      reconcile: async () => {
        throw new RouteplaneError('keystore_missing', 'there is no wallet to reconcile')
      },
      reconcileAll: async () => {
        throw new RouteplaneError('keystore_missing', 'there is no wallet to reconcile')
      },
    },
    holdings: async () => [],
    verifyLedger: async () => ({ ok: true }),
    presets: { list: () => [], get: () => undefined, set: async () => {}, delete: async () => false },
    invoices: { list: async () => [], statement: async () => undefined, close: async () => undefined },
    approvals: { list: async () => [], decide: () => Promise.reject(new Error('not here')) },
    channels: {
      list: async () => [],
      close: () => Promise.reject(new Error('not here')),
      withdrawal: () => Promise.reject(new Error('not here')),
      quoteWithdrawal: () => Promise.reject(new Error('not here')),
      withdraw: () => Promise.reject(new Error('not here')),
    },
    status: async () => emptyStatus,
    ready: async () => {},
    close: async () => {},
    ...parts,
  }
}
