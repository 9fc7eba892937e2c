/** The resources of the catalog: all models in short, and one model with every provider of it. */
import { modelCard, modelDetail } from '../card/model-card.ts'
import { maySee } from './audience.ts'
import type { Resource, ResourceReader } from './resource.ts'

export const modelsResource: Resource = {
  name: 'models',
  title: 'Models',
  description: 'Every model that complete can call, with price, context length, features and ways to pay.',
  audience: 'anybody',
  uri: 'routeplane://models',
  read: async (_id, { routeplane, caller }) => {
    await routeplane.ready()
    const seen = routeplane.catalog.models().filter((listing) => maySee(caller, listing))
    return { object: 'list', data: seen.map((listing) => modelCard(listing, routeplane.cashier?.prices)) }
  },
}

export const modelResource: Resource = {
  name: 'model',
  title: 'One model',
  description: 'A model with a row for each provider: price tiers, protocols, limits.',
  audience: 'anybody',
  uri: 'routeplane://models/{+id}',
  suggest: async (value, reader) => suggestModels(reader, value),
  read: async (id, { routeplane, caller }) => {
    await routeplane.ready()
    const listing = routeplane.catalog.model(decode(id))
    if (listing === undefined || !maySee(caller, listing)) return undefined
    return modelDetail(listing, routeplane.providers.standing, routeplane.cashier?.prices)
  },
}

/** Ids of models that begin like the text, then those that have it elsewhere. */
export async function suggestModels({ routeplane, caller }: ResourceReader, value: string): Promise<readonly string[]> {
  await routeplane.ready()
  const typed = value.toLowerCase()
  const ids = routeplane.catalog
    .models()
    .filter((listing) => maySee(caller, listing))
    .map(({ id }) => id)
    .filter((id) => id.includes(typed))
    .toSorted()
  return [...ids.filter((id) => id.startsWith(typed)), ...ids.filter((id) => !id.startsWith(typed))]
}

/** Clients differ in whether they escape the slash of an id; what is no escape names nothing. */
function decode(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return ''
  }
}
