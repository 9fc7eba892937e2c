/** Progress of a tool call: numbers that only grow, with a line that says what is going on. */
import { formatUsd } from '../money.ts'
import type { GatewayCall } from '../gateway/call.ts'

type Step = Parameters<NonNullable<GatewayCall['onProgress']>>[0]

/** How a step of routing or payment reads to somebody who watches. */
export function describeStep(step: Step): string {
  switch (step.step) {
    case 'attempt':
      return `attempt ${step.attempt}: ${step.model} at ${step.provider}, paid by ${step.mode}`
    case 'held':
      return `held up to $${formatUsd(step.amountUsd)} of the budget`
    case 'challenged':
      return `the provider asks for $${formatUsd(step.amountUsd)} on ${step.network}`
    case 'signed':
      return `signed a payment of $${formatUsd(step.amountUsd)} to ${step.payee}`
    case 'accepted':
      return 'the provider accepted the payment'
  }
}

/** Characters of an answer between two lines of progress. */
const TEXT_STEP = 400
/** Clients give a silent call up after a minute; a line in time starts that minute anew. */
const HEARTBEAT_MS = 15_000

export type TextProgress = {
  /** Takes what an answer has grown by. */
  grow(kind: 'text' | 'reasoning', characters: number): void
  stop(): void
}

/** Reports how far an answer has come, and that it is still awaited while nothing comes. */
export function watchText(report: (message: string) => void): TextProgress {
  const counts = { text: 0, reasoning: 0 }
  let told = 0
  const heartbeat = setInterval(() => report(lineOf(counts)), HEARTBEAT_MS).unref()
  return {
    grow: (kind, characters) => {
      counts[kind] += characters
      const total = counts.text + counts.reasoning
      if (told > 0 && total - told < TEXT_STEP) return
      told = total
      heartbeat.refresh()
      report(lineOf(counts))
    },
    stop: () => clearInterval(heartbeat),
  }
}

function lineOf({ text, reasoning }: { readonly text: number; readonly reasoning: number }): string {
  if (text > 0) return `${text} characters of the answer`
  return reasoning > 0 ? `thinking, ${reasoning} characters so far` : 'waiting for the answer'
}
