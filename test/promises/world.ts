/** An engine on files as a user would write them, in front of real loopback sources, with no wallet and no chain. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createEngine } from '../../src/cli/engine.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import { systemClock, type Clock } from '../../src/lib/clock.ts'
import { createWorld, type World as CommandWorld, type WorldOptions } from '../cli/fake-context.ts'
import { openEngine, type TestEngine } from '../support/engine.ts'
import { sse, startUpstream, type Answer, type Script, type SeenRequest, type Upstream } from '../support/upstream.ts'

/** A source that is closed when the test has finished. */
export async function source(script: Script): Promise<Upstream> {
  const upstream = await startUpstream(script)
  onTestFinished(() => upstream.close())
  return upstream
}

const head = { id: 'chatcmpl-1', created: 1_760_000_000, model: 'served' }

/** A whole answer of Chat Completions; 10 tokens in and 5 out unless `more` says otherwise. */
export function said(text: string, more: Readonly<Record<string, unknown>> = {}): Answer {
  const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }]
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
  return { json: { ...head, object: 'chat.completion', choices, usage, ...more } }
}

/** One event of a streamed answer. */
export function chunk(content: string | undefined, finish: string | null = null): string {
  const delta = content === undefined ? {} : { role: 'assistant', content }
  return sse({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })
}

/** The last events of a streamed answer: why it ended, what it used, and that it is whole. */
export const ending =
  chunk(undefined, 'stop') +
  sse(
    { ...head, object: 'chat.completion.chunk', choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } },
    '[DONE]',
  )

/** A refusal as OpenAI words one. */
export function failed(status: number, more: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: more, json: { error: { message: `scripted ${status}`, type: 'scripted', code: 'scripted' } } }
}

export type Files = {
  /** Written as `routeplane.yaml`; YAML takes JSON as it is. Loopback is allowed and nobody needs a token. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Files of a registry folder by their path in it; its presence makes the config point there. */
  readonly registry?: Readonly<Record<string, string>>
  readonly variables?: Readonly<Record<string, string>>
  readonly clock?: Clock
}

export type OpenWorld = TestEngine & {
  readonly directory: string
  readonly file: string
  readonly url: string
  /** Writes another config in the place of the first and has it taken. */
  reload(config: Readonly<Record<string, unknown>>): Promise<void>
}

/** Writes the files and opens an engine on them; everything is gone when the test has finished. */
export async function open(files: Files): Promise<OpenWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'routeplane-promise-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files.registry ?? {})) {
    await mkdir(dirname(join(directory, 'registry', path)), { recursive: true })
    await writeFile(join(directory, 'registry', path), text)
  }
  const write = (own: Files['config']) => writeFile(file, JSON.stringify({ ...common, ...own }))
  const common = {
    skip_auth: true,
    upstream: { allow_loopback: true },
    ledger: { path: './ledger.db' },
    ...(files.registry === undefined ? {} : { registry: { path: './registry' } }),
  }
  const file = join(directory, 'routeplane.yaml')
  await write(files.config)
  const variables = { ROUTEPLANE_HOME: join(directory, 'home'), ...files.variables }
  const engine = await openEngine({ file, directory, variables }, files.clock ?? systemClock)
  const reload = async (next: Files['config']) => {
    await write(next)
    await engine.routeplane.reload(await loadConfig({ file, environment: createEnvironment(variables, directory, directory) }))
  }
  return { ...engine, directory, file, url: await engine.serve(), reload }
}

/** A clock that stands still until it is set, so that nothing fades by itself. */
export function stillClock(): Clock & { set(ms: number): void } {
  let now = Date.UTC(2026, 10, 20, 12)
  return {
    now: () => now,
    monotonic: () => now,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    set: (ms) => {
      now = ms
    },
  }
}

/** The model that each request asked a source for. */
export function modelsAsked({ requests }: { readonly requests: readonly SeenRequest[] }): readonly unknown[] {
  return requests.filter(({ method }) => method === 'POST').map(({ json }) => (json as { readonly model?: unknown }).model)
}

/** The command line over the real engine; tell it of a config with `-c`. */
export function commandLine(options: WorldOptions = {}): CommandWorld {
  return createWorld({ ...options, engine: { ...createEngine(), ...options.engine } })
}
