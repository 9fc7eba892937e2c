/** The contract of an MCP resource: a document that a client reads by its address, and how a server offers all of them. */
import { type McpServer, ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server'
import { toRouteplaneError } from '../errors.ts'
import type { Caller } from '../gateway/call.ts'
import type { Log } from '../lib/log.ts'
import type { Routeplane } from '../routeplane.ts'
import type { Audience } from './audience.ts'

export type Resource = {
  /** Unique among the resources. */
  readonly name: string
  readonly title: string
  readonly description: string
  readonly audience: Audience
  /** Fixed, or with one variable at its end: `{id}` for a segment, `{+id}` for a path. */
  readonly uri: string
  /** Ids that begin like `value`, for clients that help their users type; at most a hundred are shown. */
  suggest?(value: string, reader: ResourceReader): Promise<readonly string[]>
  /**
   * Gives what is written as JSON, or `undefined` when there is nothing at this address.
   *
   * @param id - As the client has sent it; empty for a fixed address. Check it before use.
   */
  read(id: string, reader: ResourceReader): Promise<unknown>
}

export type ResourceReader = { readonly routeplane: Routeplane; readonly caller: Caller }

export type ResourceSources = { open(): Promise<Routeplane>; readonly caller: Caller; readonly log: Log }

const MIME_TYPE = 'application/json'

/** Offers every resource on the server. */
export function registerResources(server: McpServer, resources: readonly Resource[], sources: ResourceSources): void {
  for (const resource of resources) {
    const { name, title, description, uri } = resource
    const config = { title, description, mimeType: MIME_TYPE }
    if (!uri.includes('{')) {
      server.registerResource(name, uri, config, () => readText(resource, uri, '', sources))
      continue
    }
    const complete = resource.suggest === undefined ? {} : { id: async (value: string) => [...(await suggest(resource, value, sources))] }
    server.registerResource(name, new ResourceTemplate(uri, { list: undefined, complete }), config, (address, { id }) =>
      readText(resource, address.href, Array.isArray(id) ? id.join(',') : (id ?? ''), sources),
    )
  }
}

async function readText(resource: Resource, uri: string, id: string, sources: ResourceSources) {
  const value = await readValue(resource, id, sources)
  if (value === undefined) throw new ResourceNotFoundError(uri)
  return { contents: [{ uri, mimeType: MIME_TYPE, text: JSON.stringify(value) }] }
}

async function readValue(resource: Resource, id: string, { open, caller, log }: ResourceSources): Promise<unknown> {
  try {
    return await resource.read(id, { routeplane: await open(), caller })
  } catch (thrown) {
    const { code, message, fault } = toRouteplaneError(thrown)
    if (fault === 'internal') log.error('resource failed', { resource: resource.name, code })
    throw new Error(`${code}: ${message}`, { cause: thrown })
  }
}

/** A suggestion that fails is none: nobody waits for it. */
async function suggest(resource: Resource, value: string, { open, caller }: ResourceSources): Promise<readonly string[]> {
  try {
    return (await resource.suggest?.(value.slice(0, 300), { routeplane: await open(), caller })) ?? []
  } catch {
    return []
  }
}
