/** Serves an app of the demo on a free loopback port. */
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { HttpBindings } from '@hono/node-server'
import type { Hono } from 'hono'

export type Listening = { readonly port: number; stop(): Promise<void> }

/** Resolves once the port is open. Stopping cuts every connection. */
export function listen(app: Hono<{ Bindings: HttpBindings }>): Promise<Listening> {
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects: false }, (address: AddressInfo) =>
      resolve({ port: address.port, stop }),
    )
    const stop = () =>
      new Promise<void>((stopped) => {
        server.close(() => stopped())
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
  })
}
