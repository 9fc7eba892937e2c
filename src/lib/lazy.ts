/** A thing that is made when somebody first asks for it, and once. */

export type Lazy<T> = {
  /** Makes it, or gives the one that is made; a failure reaches everybody who asked, and is forgotten. */
  get(): Promise<T>
  /** The one that is made or being made, without making it; `undefined` when nobody has asked. */
  begun(): Promise<T> | undefined
}

/** Wraps `make`, which runs again only after it has failed. */
export function lazily<T>(make: () => Promise<T>): Lazy<T> {
  let made: Promise<T> | undefined
  const forget = () => {
    made = undefined
  }
  return {
    get() {
      if (made === undefined) {
        made = make()
        made.catch(forget)
      }
      return made
    },
    begun: () => made,
  }
}
