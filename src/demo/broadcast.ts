/** Lets many readers each see all of one source from its beginning, whether they come early, late, or leave half-way. */

/** Reads the source at once and to its end, with or without readers; its failure reaches every reader at the same place. */
export function broadcast<T>(source: AsyncIterable<T>): AsyncIterable<T> {
  const items: T[] = []
  let wake = deferred()
  let end: { readonly error?: unknown } | undefined
  const announce = () => {
    wake.resolve()
    wake = deferred()
  }
  const run = async (): Promise<void> => {
    try {
      for await (const item of source) {
        items.push(item)
        announce()
      }
      end = {}
    } catch (error) {
      end = { error }
    }
    announce()
  }
  void run()
  return {
    async *[Symbol.asyncIterator]() {
      for (let at = 0; ; at++) {
        while (at >= items.length && end === undefined) await wake.promise
        if (at < items.length) yield items[at] as T
        else if (end !== undefined && 'error' in end) throw end.error
        else return
      }
    },
  }
}

type Deferred = { readonly promise: Promise<void>; resolve(): void }

/** `Promise.withResolvers` is not in Node 20. */
function deferred(): Deferred {
  let resolve = (): void => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve: () => resolve() }
}
