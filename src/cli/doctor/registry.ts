/** Whether a published registry can be read from where the config says. */
import { isLoopbackHost } from '../../lib/private-address.ts'
import { inTime, type Check } from './check.ts'

export const registry: Check = {
  name: 'registry',
  async look(examined) {
    const { path, url } = examined.config.registry
    if (path !== undefined) return [{ state: 'ok', message: path }]
    if (url === undefined) return [{ state: 'ok', message: 'the one that comes with the package' }]
    const { createTransport } = await import('../../gateway/transport.ts')
    const transport = createTransport({ allowLoopback: isLoopbackHost(new URL(url).hostname), timeouts: {} })
    try {
      const call = { method: 'GET', url, headers: { accept: 'application/json' } } as const
      const { status, body } = await inTime(transport(call, { signal: examined.signal }), examined)
      for await (const _piece of body) break
      const message = `${url} answers with status ${status}`
      return [status === 200 ? { state: 'ok', message, isReached: true } : { state: 'failed', message, isReached: true }]
    } finally {
      await transport.close()
    }
  },
}
