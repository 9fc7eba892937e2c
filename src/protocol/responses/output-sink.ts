/** Where encoded items go: numbers events and items, and keeps the finished ones. */

type Json = Readonly<Record<string, unknown>>

export type OutputSink = {
  /** Adds an event; its `sequence_number` is put in here. */
  emit(type: string, members: Json): void
  /** Announces an item. @returns its `output_index`. */
  begin(item: Json): number
  /** Ends an item: what is shown here is what clients keep as history. */
  end(index: number, item: Json): void
  /** Makes an id for an item, unique within the response. */
  newId(prefix: string): string
  /** Gives the events added since it was last asked. */
  take(): readonly Json[]
  /** The finished items, in order. */
  output(): readonly Json[]
}

/** Creates the sink of one response. @param base - What all ids of the response have in common. */
export function createOutputSink(base: string): OutputSink {
  const items: (Json | undefined)[] = []
  let events: Json[] = []
  let sequence = 0
  let ids = 0
  const emit = (type: string, members: Json): void => {
    events.push({ type, sequence_number: sequence++, ...members })
  }
  return {
    emit,
    begin: (item) => {
      const index = items.push(undefined) - 1
      emit('response.output_item.added', { output_index: index, item })
      return index
    },
    end: (index, item) => {
      items[index] = item
      emit('response.output_item.done', { output_index: index, item })
    },
    newId: (prefix) => `${prefix}_${base}_${ids++}`,
    take: () => {
      const taken = events
      events = []
      return taken
    },
    output: () => items.filter((item) => item !== undefined),
  }
}
