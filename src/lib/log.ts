/** Structured log lines on stderr, with secrets redacted by type first and by shape as the last line of defence. */

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type Log = Readonly<Record<LogLevel, (event: string, fields?: LogFields) => void>>

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Writes one JSON line an event. Fields are scalars on purpose: no object, header map or body can slip in. */
export function createLog(level: LogLevel, write: (line: string) => void, now: () => number): Log {
  const at =
    (own: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      if (ORDER.indexOf(own) < ORDER.indexOf(level)) return
      const line: Record<string, unknown> = { time: new Date(now()).toISOString(), level: own, event }
      for (const [name, value] of Object.entries(fields)) line[name] = typeof value === 'string' ? scrub(value) : value
      write(`${JSON.stringify(line)}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Blanks what looks like a key, a signature or a token: `sk-…`, 64 or more hex digits, `key=…`, `Bearer …`, long base64. */
export function scrub(text: string): string {
  return text
    .replace(/\b(?:0x)?[0-9a-fA-F]{130,}\b/g, '[signature]')
    .replace(/\b[0-9a-fA-F]{64}\b/g, '[hex]')
    .replace(/\bsk-[A-Za-z0-9_-]{8,}/g, '[api-key]')
    .replace(/([?&]key=)[^&\s]+/gi, '$1[api-key]')
    .replace(/\b(Bearer|Payment|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/g, '$1 [secret]')
    .replace(/[A-Za-z0-9+/_-]{200,}={0,2}/g, '[long]')
}

/** A secret string that prints as `[secret]` everywhere but through {@link Secret.reveal}. */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
