/** `routeplane route`: where a request would go and what it could cost, without sending anything. */
import { RouteplaneError } from '../errors.ts'
import { decisionCard, type DecisionCard } from '../gateway/decision-card.ts'
import { createId } from '../lib/id.ts'
import { parseUsd, type Usd } from '../money.ts'
import { plainCommand, type Command } from './command.ts'
import type { CommandContext } from './context.ts'
import { exitCodes } from './exit-code.ts'
import { usage, type Invocation } from './invocation.ts'
import { dollars, fields, table } from './output.ts'
import { withEngine } from './session.ts'
import { textCall } from './text-call.ts'

export const route: Command = {
  ...plainCommand,
  name: 'route',
  summary: 'Show where a request would go and what it could cost. Sends nothing.',
  details: [
    '<model> is anything a request may say: maker/name, provider:model, @preset, name:cost.',
    '--replay shows the decision that was made for a request, by the id in its x-routeplane-request-id.',
  ],
  positionals: ['[model]'],
  options: {
    explain: { type: 'boolean', summary: 'Also show every endpoint considered, and why others were not.' },
    replay: { type: 'string', value: '<request id>', summary: 'Show the decision of a request that was answered or failed.' },
    prompt: { type: 'string', value: '<text>', summary: 'What would be asked; its length decides the price.' },
    'max-output-tokens': { type: 'string', value: '<count>', summary: 'The longest answer allowed.' },
    'max-cost': { type: 'string', value: '<usd>', summary: 'A cap below the configured ones, such as 0.01.' },
  },
  async run(invocation, context) {
    const replayed = invocation.text('replay')
    const card = replayed === undefined ? await decideNow(invocation, context) : await readKept(replayed, invocation, context)
    const isExplained = invocation.flag('explain') || replayed !== undefined
    const text = [summary(card), ...(isExplained ? [considered(card), refused(card)] : [])]
    const exitCode = card.attempts.length === 0 ? exitCodes.failed : exitCodes.ok
    return { text: text.filter((part) => part !== '').join('\n\n'), value: card, exitCode }
  },
}

async function decideNow(invocation: Invocation, context: CommandContext): Promise<DecisionCard> {
  const [model] = invocation.positionals
  if (model === undefined || model === '') throw usage(route, 'missing_argument', '<model> is missing')
  const maxOutputTokens = countOf(invocation, 'max-output-tokens')
  const maxCostUsd = amountOf(invocation, 'max-cost')
  const call = textCall({
    id: createId('req', context.clock.now()),
    model,
    prompt: invocation.text('prompt') ?? 'Hello',
    signal: context.interrupted,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(maxCostUsd === undefined ? {} : { maxCostUsd }),
  })
  return decisionCard(await withEngine(invocation, context, async (routeplane) => routeplane.explain(call)))
}

async function readKept(id: string, invocation: Invocation, context: CommandContext): Promise<DecisionCard> {
  if (invocation.positionals.length > 0) throw usage(route, 'too_many_arguments', '--replay takes no <model>')
  const card = /^[a-z0-9_]{1,64}$/.test(id) ? await withEngine(invocation, context, async (routeplane) => routeplane.replay(id)) : undefined
  if (card !== undefined) return card
  throw new RouteplaneError('not_found', `no decision is kept of a request ${JSON.stringify(id.slice(0, 64))}`, {
    hint: 'Its id stands in x-routeplane-request-id; the row is written within a second of the answer.',
  })
}

function countOf(invocation: Invocation, option: string): number | undefined {
  const text = invocation.text(option)
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usage(route, 'bad_value', `--${option} is a whole number above 0`)
}

/** Reads an amount given as an option. @throws RouteplaneError `invalid_max_cost`. */
function amountOf(invocation: Invocation, option: string): Usd | undefined {
  const text = invocation.text(option)
  if (text === undefined) return undefined
  try {
    return parseUsd(text)
  } catch (cause) {
    throw new RouteplaneError('invalid_max_cost', `--${option} is an amount of US dollars such as 0.01`, { cause })
  }
}

function summary(card: DecisionCard): string {
  const head = fields([
    ['request', card.request_id],
    ['asked for', card.requested],
    ['resolved', card.resolved.join(', ') || 'nothing'],
    ['cap', dollars(card.cap_usd)],
  ])
  if (card.attempts.length === 0)
    return `${head}\n\nNothing can serve this request.${card.refused.length === 0 ? '' : ' See why with --explain.'}`
  const rows = card.attempts.map((attempt, at) => [
    String(at + 1),
    attempt.endpoint,
    attempt.mode,
    dollars(attempt.expected_usd),
    dollars(attempt.bound_usd),
  ])
  return `${head}\n\n${table(['try', 'endpoint', 'paid by', 'expected', 'at most'], rows)}`
}

function considered({ candidates }: DecisionCard): string {
  if (candidates.length === 0) return ''
  const axes = [...new Set(candidates.flatMap(({ terms }) => Object.keys(terms)))]
  const saves = candidates.some((each) => each.saving_usd !== undefined)
  const rows = candidates.map((each) => [
    String(each.rank),
    each.explored === true ? `${each.endpoint} (explored)` : each.endpoint,
    ...(saves ? [each.saving_usd === undefined ? '' : dollars(each.saving_usd)] : []),
    score(each.score),
    ...axes.map((axis) => score(each.terms[axis])),
  ])
  return `Considered\n${table(['rank', 'endpoint', ...(saves ? ['cache saves'] : []), 'score', ...axes], rows)}`
}

/** Scores have no unit and never become money, so three places are plenty. */
function score(value: number | null | undefined): string {
  return value === undefined || value === null ? 'unmeasured' : String(Math.round(value * 1000) / 1000)
}

function refused(card: DecisionCard): string {
  if (card.refused.length === 0) return ''
  return `Left out\n${table(
    ['endpoint', 'reason', 'detail'],
    card.refused.map(({ endpoint, reason, detail }) => [endpoint, reason, detail]),
  )}`
}
