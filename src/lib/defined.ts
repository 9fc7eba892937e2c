/** Leaves absent members out of an object, for types whose optional members may not be `undefined`. */

export type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Copies an object without its `undefined` members. */
export function defined<T extends object>(members: T): Defined<T> {
  const copy: Record<string, unknown> = {}
  for (const name of Object.keys(members)) {
    const value = (members as Record<string, unknown>)[name]
    if (value === undefined) continue
    // Assigning to this one name would change the prototype instead.
    if (name === '__proto__') Object.defineProperty(copy, name, { value, enumerable: true, writable: true, configurable: true })
    else copy[name] = value
  }
  return copy as Defined<T>
}
