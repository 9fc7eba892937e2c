/** Whether each provider answers, and whether it has a model to ask for. */
import type { ProviderStanding } from '../../routeplane.ts'
import type { Reachability } from '../../registry/reachability.ts'
import { counted } from '../output.ts'
import type { Check, Finding } from './check.ts'

export const providers: Check = {
  name: 'provider',
  async look({ config, routeplane, signal, limitMs }) {
    const all = routeplane.providers.list()
    if (all.length === 0)
      return [
        {
          state: 'warning',
          message: 'none is configured',
          hint: 'Write a config with "routeplane init", or set a key such as OPENAI_API_KEY.',
        },
      ]
    const [{ createGuardedTransport }, { checkReachability }] = await Promise.all([
      import('../../composition/guarded-transport.ts'),
      import('../../registry/reachability.ts'),
    ])
    const transport = createGuardedTransport(config)
    try {
      const seen = await checkReachability(all, transport.send, { signal, totalMs: limitMs, concurrency: all.length })
      return all.flatMap((standing) => findingsOf(standing, seen))
    } finally {
      await transport.close()
    }
  },
}

function findingsOf({ provider, endpoints, document }: ProviderStanding, seen: readonly Reachability[]): readonly Finding[] {
  const own = seen.filter((each) => each.provider === provider.id)
  const unwell = own.find(({ ok }) => !ok)
  const subject = provider.id
  if (unwell !== undefined) {
    const { url, evidence, isReached } = unwell
    return [{ state: 'failed', subject, message: `${url}: ${evidence}`, isReached }]
  }
  if (own.length === 0) return [{ state: 'ok', subject, message: `is ${provider.status}, so nobody asks it` }]
  if (document?.reason !== undefined)
    return [{ state: 'warning', subject, message: `answers, but its models document was not read: ${document.reason}`, isReached: true }]
  if (endpoints.length > 0) return [{ state: 'ok', subject, message: `answers; ${counted(endpoints.length, 'model')}`, isReached: true }]
  const hint = `See "routeplane providers show ${provider.id}".`
  return [{ state: 'warning', subject, message: 'answers, but no model of it is known', hint, isReached: true }]
}
