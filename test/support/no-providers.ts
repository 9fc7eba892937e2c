/** For gateways that a test plays: nobody is configured, and nothing has been measured. */
import type { AllowanceView, KeyView, ProviderView, SalesView } from '../../src/routeplane.ts'

export const noProviders: ProviderView = {
  list: () => [],
  get: () => undefined,
  standing: () => ({ uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined }),
}

const notHere = () => Promise.reject(new Error('not here'))

/** Nothing has been sold. */
export const noSales: SalesView = { list: async () => [], get: async () => undefined }

/** Nobody has a key. */
export const noKeys: KeyView = {
  create: notHere,
  list: async () => [],
  revoke: notHere,
  identify: async () => undefined,
  statement: notHere,
}

/** There is no chain to ask. */
export const noAllowances: AllowanceView = { quote: notHere, approve: notHere }
