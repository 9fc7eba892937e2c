/** The contract of a check: one thing that must be right before a request can be answered or paid. */
import type { Config } from '../../config/config.ts'
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { Routeplane } from '../../routeplane.ts'

export type Finding = {
  readonly state: 'ok' | 'warning' | 'failed'
  /** What was looked at, where a check looks at several things. */
  readonly subject?: string
  readonly message: string
  /** One imperative sentence. */
  readonly hint?: string
  /** Of a question over the network: whether somebody answered. */
  readonly isReached?: boolean
}

export type Examined = {
  readonly config: Config
  readonly routeplane: Routeplane
  /** Aborts when everything has had its time. */
  readonly signal: AbortSignal
  /** Milliseconds until then, from the beginning. */
  readonly limitMs: number
}

export type Check = {
  readonly name: string
  look(examined: Examined): Promise<readonly Finding[]>
}

/** What a check throws is said like anything else that is wrong. */
export async function examine({ look }: Check, examined: Examined): Promise<readonly Finding[]> {
  return look(examined).catch((thrown: unknown) => [failed(toRouteplaneError(thrown))])
}

/** @throws RouteplaneError `upstream_unreachable` when the time is over first. */
export async function inTime<T>(asked: Promise<T>, { signal, limitMs }: Examined): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    const end = () => reject(new RouteplaneError('upstream_unreachable', `no answer in ${limitMs} ms`))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  return Promise.race([asked, late])
}

/** What has gone wrong, as its error says it. */
export function failed({ message, hint, code }: RouteplaneError): Finding {
  return {
    state: 'failed',
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(code === 'upstream_unreachable' ? { isReached: false } : {}),
  }
}
