/** `POST /v1/reload`: has the gateway take its own config file anew. Nothing of the request decides what is taken. */
import type { Hono } from 'hono'
import { type AppEnv, json, type Route } from './read-routes.ts'

/** Mounts nothing where there is no config to take: the path is then like any other that does not exist. */
export function mountReload(app: Hono<AppEnv>, reload: (() => Promise<void>) | undefined, refuseMethod: Route): void {
  if (reload === undefined) return
  app.post('/v1/reload', async () => {
    await reload()
    return json({ reloaded: true })
  })
  app.all('/v1/reload', refuseMethod)
}
