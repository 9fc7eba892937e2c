/** `routeplane registry check`: the listing checklist, run against a provider's live endpoint. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { keyHeaders } from '../access/api-key.ts'
import { resolvePath } from '../config/environment.ts'
import { RouteplaneError } from '../errors.ts'
import { parseUsd, type Usd } from '../money.ts'
import type { CanonicalIndex } from '../registry/canonical.ts'
import type { CheckOptions } from '../registry/check/check.ts'
import type { ProviderDefinition } from '../registry/model-row.ts'
import { readProviderFile } from '../registry/registry-files.ts'
import { nearestWords } from '../registry/nearest.ts'
import { plainCommand, type Command } from './command.ts'
import type { CommandContext } from './context.ts'
import { exitCodes } from './exit-code.ts'
import { usage, type Invocation } from './invocation.ts'
import { readRegistry, registryOptions, registryToRead } from './registry-directory.ts'

const DEFAULT_MAX_COST = '0.10'
const DEFAULT_SAMPLES = 10
const DEFAULT_LOAD = 20

export const registryCheck: Command = {
  ...plainCommand,
  name: 'registry check',
  summary: "Run the listing checklist against a provider's live endpoint.",
  details: [
    '<provider> is an id in the registry, or a manifest file. Ends with 1 when a row failed.',
    'Calls are really made, some fifty of them, within --max-cost by the price list. The key is read from the environment and never shown.',
  ],
  positionals: ['<provider>'],
  options: {
    model: { type: 'string', value: '<id>', summary: 'Which model; the first listed one by default.' },
    'key-env': { type: 'string', value: '<name>', summary: "The variable that holds the key; the manifest's own by default." },
    pay: { type: 'boolean', summary: "Also buy one answer over x402, with the config's wallet and caps." },
    'max-cost': { type: 'string', value: '<usd>', summary: `The most the check may spend; ${DEFAULT_MAX_COST} by default.` },
    samples: { type: 'string', value: '<count>', summary: `Calls that latency is measured by; ${DEFAULT_SAMPLES} by default.` },
    load: { type: 'string', value: '<count>', summary: `The most requests of the load test; ${DEFAULT_LOAD} by default.` },
    ...registryOptions,
  },
  formats: ['text', 'json', 'markdown'],
  async run(invocation, context) {
    const target = await findTarget(invocation, context)
    const [{ checkProvider }, { markdownReport, textReport }, { createTransport }, { protocols }, { createPaymentPort }] =
      await Promise.all([
        import('../registry/check/check.ts'),
        import('../registry/check/report.ts'),
        import('../gateway/transport.ts'),
        import('../protocol/index.ts'),
        import('./registry-check-payment.ts'),
      ])
    const transport = createTransport({ allowLoopback: invocation.flag('allow-loopback') })
    const { model, key } = choicesOf(invocation, context, target.definition)
    const settings = {
      samples: countOf(invocation, 'samples', DEFAULT_SAMPLES),
      loadRequests: countOf(invocation, 'load', DEFAULT_LOAD),
      maxCostUsd: amountOf(invocation),
    }
    const payment = await createPaymentPort({ ...target, provider: target.definition.provider, invocation, context })
    const options: CheckOptions = {
      ...target,
      protocols,
      payment,
      transport,
      settings,
      clock: context.clock,
      authorize: (protocol, apiKey) => keyHeaders(target.definition.provider, apiKey, (each) => protocol.upstream.authorize(each)),
      onGroup: (title) => {
        if (context.terminal.isInteractive) context.terminal.error(`${title} …\n`)
      },
      ...(model === undefined ? {} : { model }),
      ...(key === undefined ? {} : { apiKey: key }),
    }
    try {
      const report = await checkProvider(options)
      const text = invocation.format === 'markdown' ? markdownReport(report) : textReport(report)
      return { text, value: report, exitCode: report.counts.fail === 0 ? exitCodes.ok : exitCodes.failed }
    } finally {
      await transport.close()
    }
  },
}

type Target = { readonly definition: ProviderDefinition; readonly canonical: CanonicalIndex; readonly manifest: string }

/** A path, or an id: whatever ends like a file or names a folder is a path. */
async function findTarget(invocation: Invocation, context: CommandContext): Promise<Target> {
  const [named = ''] = invocation.positionals
  if (/[/\\]|\.ya?ml$/.test(named)) return readTarget(named, invocation, context)
  const directory = await registryToRead(invocation, context)
  const { definitions, canonical, problems } = await readRegistry(directory, invocation)
  const definition = definitions.find(({ provider }) => provider.id === named)
  if (definition !== undefined) return { definition, canonical, manifest: await readProviderFile(directory, named, []) }
  const own = problems.find(({ file }) => file === `providers/${named}.yaml`)
  if (own !== undefined)
    throw new RouteplaneError('manifest_invalid', `${own.file}: ${own.path}: ${own.message}`, { details: { problems: [own] } })
  const nearest = nearestWords(
    named,
    definitions.map(({ provider }) => provider.id),
    3,
  )
  throw new RouteplaneError('usage', `there is no provider ${JSON.stringify(named.slice(0, 80))} in this registry`, {
    details: { problem: 'unknown_provider' },
    hint: nearest.length === 0 ? 'Name a manifest file to check one that is not in a registry.' : `Did you mean ${nearest.join(' or ')}?`,
  })
}

/** A manifest in a registry is checked with its vocabulary. */
async function readTarget(named: string, invocation: Invocation, { environment }: CommandContext): Promise<Target> {
  const file = resolvePath(named, resolve(environment.workingDirectory), environment)
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new RouteplaneError('usage', `the manifest ${file} cannot be read`, { details: { problem: 'no_manifest' }, cause })
  })
  const [{ parseManifest }, { createCanonicalIndex }] = await Promise.all([
    import('../registry/manifest.ts'),
    import('../registry/canonical.ts'),
  ])
  const definition = await parseManifest(text, { file: basename(file), allowLoopback: invocation.flag('allow-loopback') })
  const folder = resolve(file, '../..')
  if (!existsSync(resolve(folder, 'canonical.yaml'))) return { definition, canonical: createCanonicalIndex([]), manifest: text }
  return { definition, canonical: (await readRegistry(folder, invocation)).canonical, manifest: text }
}

/** @throws RouteplaneError `usage` when the named variable is not set: it was meant to be. */
function choicesOf(invocation: Invocation, { environment }: CommandContext, { provider }: ProviderDefinition) {
  const named = invocation.text('key-env')
  const variable = named ?? (provider.access.kind === 'api_key' ? provider.access.env : undefined)
  const key = variable === undefined ? undefined : environment.get(variable)?.trim()
  if (named !== undefined && key === undefined) throw usage(registryCheck, 'env_not_set', `the environment variable ${named} is not set`)
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key))
    throw usage(registryCheck, 'bad_key', 'the key holds characters that no header can carry')
  return { model: invocation.text('model'), key }
}

function countOf(invocation: Invocation, option: string, fallback: number): number {
  const text = invocation.text(option)
  if (text === undefined) return fallback
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw usage(registryCheck, 'bad_value', `--${option} is a whole number from 1 to 9999`)
}

/** @throws RouteplaneError `invalid_max_cost`. */
function amountOf(invocation: Invocation): Usd {
  try {
    return parseUsd(invocation.text('max-cost') ?? DEFAULT_MAX_COST)
  } catch (cause) {
    throw new RouteplaneError('invalid_max_cost', '--max-cost is an amount of US dollars such as 0.05', { cause })
  }
}
