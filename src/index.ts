/** The public surface: an explicit list of names, nothing computed. */
export { answerStatus, errorTable, isCommitted, RouteplaneError } from './errors.ts'
export type { ErrorCode, ErrorOptions, Fault, MoneyState } from './errors.ts'
export { formatUsd, parseUsd } from './money.ts'
export type { Usd } from './money.ts'
export type { Routeplane } from './routeplane.ts'
