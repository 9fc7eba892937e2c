/** `routeplane route`: where a request would go and what it could cost, without sending anything. */
import { RouteplaneError } from '../errors.ts'
import type { Decision } from '../gateway/call.ts'
import { createId } from '../lib/id.ts'
import { parseUsd, type Usd } from '../money.ts'
import { plainCommand, type Command } from './command.ts'
import { exitCodes } from './exit-code.ts'
import { usage, type Invocation } from './invocation.ts'
import { fields, money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'
import { textCall } from './text-call.ts'

export const route: Command = {
  ...plainCommand,
  name: 'route',
  summary: 'Show where a request would go and what it could cost. Sends nothing.',
  details: ['<model> is anything a request may say: maker/name, provider:model, @preset, name:cost.'],
  positionals: ['<model>'],
  options: {
    explain: { type: 'boolean', summary: 'Also show every endpoint considered, and why others were not.' },
    prompt: { type: 'string', value: '<text>', summary: 'What would be asked; its length decides the price.' },
    'max-output-tokens': { type: 'string', value: '<count>', summary: 'The longest answer allowed.' },
    'max-cost': { type: 'string', value: '<usd>', summary: 'A cap below the configured ones, such as 0.01.' },
  },
  async run(invocation, context) {
    const [model = ''] = invocation.positionals
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
    const decision = await withEngine(invocation, context, async (routeplane) => routeplane.explain(call))
    const text = [summary(decision), ...(invocation.flag('explain') ? [considered(decision), refused(decision)] : [])]
    const exitCode = decision.attempts.length === 0 ? exitCodes.failed : exitCodes.ok
    return { text: text.filter((part) => part !== '').join('\n\n'), value: toValue(decision), exitCode }
  },
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

function summary(decision: Decision): string {
  const head = fields([
    ['asked for', decision.requested],
    ['resolved', decision.resolved.join(', ') || 'nothing'],
    ['cap', money(decision.capUsd)],
  ])
  if (decision.attempts.length === 0)
    return `${head}\n\nNothing can serve this request.${decision.refused.length === 0 ? '' : ' See why with --explain.'}`
  const rows = decision.attempts.map((attempt, at) => [
    String(at + 1),
    attempt.endpoint,
    attempt.mode,
    money(attempt.expectedUsd),
    money(attempt.boundUsd),
  ])
  return `${head}\n\n${table(['try', 'endpoint', 'paid by', 'expected', 'at most'], rows)}`
}

function considered({ candidates }: Decision): string {
  if (candidates.length === 0) return ''
  const axes = [...new Set(candidates.flatMap(({ terms }) => Object.keys(terms)))]
  const rows = candidates.map((each) => [
    String(each.rank),
    each.endpoint,
    score(each.score),
    ...axes.map((axis) => score(each.terms[axis])),
  ])
  return `Considered\n${table(['rank', 'endpoint', 'score', ...axes], rows)}`
}

/** Scores have no unit and never become money, so three places are plenty. */
function score(value: number | undefined): string {
  return value === undefined ? 'unmeasured' : String(Math.round(value * 1000) / 1000)
}

function refused(decision: Decision): string {
  if (decision.refused.length === 0) return ''
  return `Left out\n${table(
    ['endpoint', 'reason', 'detail'],
    decision.refused.map(({ endpoint, reason, detail }) => [endpoint, reason, detail]),
  )}`
}

function toValue(decision: Decision): unknown {
  return {
    request_id: decision.requestId,
    requested: decision.requested,
    resolved: decision.resolved,
    cap_usd: usdText(decision.capUsd),
    attempts: decision.attempts.map(({ endpoint, mode, expectedUsd, boundUsd }) => ({
      endpoint,
      mode,
      expected_usd: usdText(expectedUsd),
      bound_usd: usdText(boundUsd),
    })),
    candidates: decision.candidates.map(({ endpoint, model, rank, score: value, terms, expectedUsd, boundUsd }) => ({
      endpoint,
      model,
      rank,
      score: value ?? null,
      terms,
      expected_usd: usdText(expectedUsd),
      bound_usd: usdText(boundUsd),
    })),
    refused: decision.refused,
  }
}
