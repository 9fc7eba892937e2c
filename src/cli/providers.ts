/** `routeplane providers`: who is configured, how each has been doing, and where its prices disagree. */
import { RouteplaneError } from '../errors.ts'
import { nearest } from '../config/nearest.ts'
import type { ProviderStanding, ProviderView } from '../routeplane.ts'
import { plainCommand, type Command } from './command.ts'
import { standingColumns, standingValue } from './models.ts'
import { counted, fields, perMillion, table } from './output.ts'
import { withEngine } from './session.ts'

export const providersList: Command = {
  ...plainCommand,
  name: 'providers list',
  aliases: ['providers'],
  summary: 'List providers with what they serve and how they are paid.',
  async run(invocation, context) {
    return withEngine(invocation, context, async ({ providers }) => {
      const all = providers.list()
      const rows = all.map((each) => [
        each.provider.id,
        each.provider.source,
        each.provider.status,
        String(each.endpoints.length),
        each.provider.payment.modes.join(', '),
        documentText(each),
        each.drifts.length === 0 ? '' : counted(each.drifts.length, 'price difference'),
      ])
      const text = table(['provider', 'from', 'status', 'models', 'paid by', 'models document', 'note'], rows)
      return {
        text: all.length === 0 ? 'No providers. See "routeplane config check".' : text,
        value: { providers: all.map((each) => toValue(each, providers)) },
      }
    })
  },
}

export const providersShow: Command = {
  ...plainCommand,
  name: 'providers show',
  summary: 'Show one provider: endpoints with their health, limits, and differences between its prices.',
  positionals: ['<provider>'],
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    return withEngine(invocation, context, async ({ providers }) => {
      const found = providers.get(id) ?? unknown(id, providers.list())
      return { text: showText(found, providers), value: toValue(found, providers) }
    })
  },
}

function unknown(id: string, known: readonly ProviderStanding[]): never {
  const meant = nearest(
    id,
    known.map(({ provider }) => provider.id),
  )
  throw new RouteplaneError('usage', `there is no provider ${JSON.stringify(id.slice(0, 64))}`, {
    hint: meant === undefined ? 'See "routeplane providers list".' : `Did you mean ${meant}?`,
    details: { problem: 'unknown_provider' },
  })
}

function documentText({ document }: ProviderStanding): string {
  if (document === undefined) return 'none'
  const reason = document.reason === undefined ? '' : ` (${document.reason})`
  return document.isStale ? `stale${reason}` : `read, ${counted(document.rejected.length, 'row')} left out`
}

function showText(standing: ProviderStanding, { standing: standingOf }: ProviderView): string {
  const { provider, endpoints, limits, drifts } = standing
  const head = fields([
    ['id', provider.id],
    ['name', provider.name],
    ['from', provider.source],
    ['address', provider.baseUrl],
    ['status', provider.status],
    ['paid by', provider.payment.modes.join(', ')],
    ['models document', documentText(standing)],
  ])
  const measured = endpoints.map((endpoint) => {
    const now = standingOf(endpoint)
    return [endpoint.upstreamModel, endpoint.modelId, ...standingColumns(now), now.cooldown?.kind ?? 'ready']
  })
  const parts = [
    head,
    endpoints.length === 0 ? '' : table(['its own id', 'model', 'uptime', 'ttft', 'tokens/s', 'state'], measured),
    limits.length === 0
      ? ''
      : `Limits\n${table(
          ['models', 'of', 'a minute'],
          limits.map(({ glob, of, perMinute }) => [glob, of, String(perMinute)]),
        )}`,
    drifts.length === 0
      ? ''
      : `Prices that differ, US dollars per million tokens in and out\n${table(
          ['model', 'from its', 'was', 'is'],
          drifts.map(({ model, against, before, after }) => [model, against, priceText(before), priceText(after)]),
        )}`,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function priceText({ tiers: [base] }: ProviderStanding['drifts'][number]['before']): string {
  return `${perMillion(base.prompt)}, ${perMillion(base.completion)}`
}

function toValue({ provider, endpoints, limits, drifts, document }: ProviderStanding, { standing }: ProviderView): unknown {
  return {
    id: provider.id,
    name: provider.name,
    source: provider.source,
    status: provider.status,
    kind: provider.kind,
    api_base: provider.baseUrl,
    payment_modes: provider.payment.modes,
    models_document:
      document === undefined
        ? null
        : { stale: document.isStale, reason: document.reason ?? null, rejected: document.rejected, ignored: document.ignored.length },
    endpoints: endpoints.map((endpoint) => ({
      upstream_model: endpoint.upstreamModel,
      model: endpoint.modelId,
      ...standingValue(standing(endpoint)),
    })),
    limits: limits.map(({ glob, of, perMinute }) => ({ glob, of, per_minute: perMinute })),
    price_drifts: drifts.map(({ model, against, before, after }) => ({
      model,
      against,
      before: priceText(before),
      after: priceText(after),
    })),
  }
}
