/** The tuple of wire formats, from which ids, routes and test matrices are derived. */
import type { Protocol, ProtocolId } from './protocol.ts'
import { chatCompletions } from './chat-completions/index.ts'

/** Every wire that is spoken, in both directions; adding one is a folder and a line here. */
export const protocols = [chatCompletions] as const satisfies readonly Protocol[]

/** The names that manifests and configs may write: ids first, then aliases. */
export const protocolNames: readonly string[] = [...protocols.map(({ id }) => id), ...protocols.flatMap(({ aliases }) => aliases)]

/** Finds a protocol by its id. */
export function protocolById(id: ProtocolId): Protocol | undefined {
  return protocols.find((protocol) => protocol.id === id)
}

/** Finds a protocol by id or alias, as manifests write it. */
export function protocolByName(name: string): Protocol | undefined {
  return protocols.find(({ id, aliases }) => id === name || (aliases as readonly string[]).includes(name))
}
