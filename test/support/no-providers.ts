/** For gateways that a test plays: nobody is configured, and nothing has been measured. */
import type { ProviderView } from '../../src/routeplane.ts'

export const noProviders: ProviderView = {
  list: () => [],
  get: () => undefined,
  standing: () => ({ uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined }),
}
