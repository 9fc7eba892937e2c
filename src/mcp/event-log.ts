/** Keeps what was sent over MCP sessions for a while, so that a client whose stream broke gets what it has missed. */
import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server'

/** Characters of all kept messages together; the oldest go first, whoever's they are. */
const MAX_CHARACTERS = 32 * 1024 * 1024

export type EventLog = {
  /** The store of one session; it sees no other's events. */
  forSession(sessionId: string): EventStore
}

type Event = { readonly session: string; readonly stream: string; readonly message: JSONRPCMessage; readonly characters: number }

/** @see MCP specification 2025-11-25, "Resumability and Redelivery" */
export function createEventLog(maxCharacters: number = MAX_CHARACTERS): EventLog {
  /** In the order of sending, which is the order of their numbers. */
  const events = new Map<string, Event>()
  let characters = 0
  let last = 0
  const find = (id: string, session: string): Event | undefined => {
    const event = events.get(id)
    return event?.session === session ? event : undefined
  }
  const add = (event: Event): string => {
    const id = String(++last)
    events.set(id, event)
    characters += event.characters
    for (const [oldest, { characters: freed }] of events) {
      if (characters <= maxCharacters || oldest === id) break
      events.delete(oldest)
      characters -= freed
    }
    return id
  }
  return {
    forSession: (session) => ({
      storeEvent: async (stream, message) => add({ session, stream, message, characters: JSON.stringify(message).length }),
      getStreamIdForEventId: async (id) => find(id, session)?.stream,
      replayEventsAfter: async (lastId, { send }) => {
        const stream = find(lastId, session)?.stream ?? ''
        const missed = [...events].filter(
          ([id, event]) => event.session === session && event.stream === stream && Number(id) > Number(lastId),
        )
        // A priming event is a place to go on from and carries nothing.
        for (const [id, { message }] of missed) if (Object.keys(message).length > 0) await send(id, message)
        return stream
      },
    }),
  }
}
