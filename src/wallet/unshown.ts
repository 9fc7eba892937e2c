/** What every private key here has in common: it prints as its address in every way there is to print. */

export abstract class Unshown {
  abstract readonly address: string

  toString(): string {
    return `[wallet ${this.address}]`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.toPrimitive](): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
