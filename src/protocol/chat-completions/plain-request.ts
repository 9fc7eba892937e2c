/** Recognises the requests that need no schema to be judged: text, tools and numbers as nearly everybody sends them. */
import { isRecord } from '../../lib/json.ts'
import { chatRequestSchema, type ChatRequest } from './schema.ts'

type Json = Readonly<Record<string, unknown>>
type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isFlag: Check = (value) => typeof value === 'boolean'
const isNumber: Check = (value) => Number.isFinite(value)
const isLimit: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0
const isNamed: Check = (value) => isRecord(value) && isText(value['name'])
const isGone: Check = (value) => value === undefined
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)

const isCall: Check = (value) =>
  isRecord(value) && isText(value['id']) && value['type'] === 'function' && isCalled(value['function']) && isGone(value['custom'])
const isCalled: Check = (value) => isRecord(value) && isText(value['name']) && isText(value['arguments'])
const isTool: Check = (value) => isRecord(value) && isText(value['type']) && isNamed(value['function']) && isGone(value['custom'])

/** A text and nothing with it: cache marks and other kinds of parts are for the schema. */
const isTextPart: Check = (value) => isRecord(value) && value['type'] === 'text' && isText(value['text']) && Object.keys(value).length === 2

const isContent: Check = (value) => isText(value) || listOf(isTextPart)(value)

/** What each role may say here; a member that is not listed is for the schema. */
const roles: ReadonlyMap<unknown, ReadonlyMap<string, Check>> = new Map<unknown, ReadonlyMap<string, Check>>([
  ...['system', 'developer', 'user'].map(
    (role) =>
      [
        role,
        new Map([
          ['role', isText],
          ['content', isContent],
          ['name', isText],
        ]),
      ] as const,
  ),
  [
    'assistant',
    new Map<string, Check>([
      ['role', isText],
      ['content', (value) => value === null || isContent(value)],
      ['tool_calls', listOf(isCall)],
    ]),
  ],
  [
    'tool',
    new Map<string, Check>([
      ['role', isText],
      ['content', isContent],
      ['tool_call_id', isText],
    ]),
  ],
])

const needed: ReadonlyMap<unknown, string> = new Map([
  ['system', 'content'],
  ['developer', 'content'],
  ['user', 'content'],
  ['tool', 'tool_call_id'],
])

const isMessage: Check = (value) => {
  if (!isRecord(value)) return false
  const members = roles.get(value['role'])
  const must = needed.get(value['role'])
  if (members === undefined || (must !== undefined && value[must] === undefined)) return false
  for (const name of Object.keys(value)) if (members.get(name)?.(value[name]) !== true) return false
  return true
}

const members: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['model', (value) => isText(value) && (value as string).length > 0 && (value as string).length <= 512],
  ['messages', (value) => listOf(isMessage)(value) && (value as unknown[]).length > 0],
  ['stream', isFlag],
  ['max_tokens', isLimit],
  ['max_completion_tokens', isLimit],
  ['temperature', isNumber],
  ['top_p', isNumber],
  ['frequency_penalty', isNumber],
  ['presence_penalty', isNumber],
  ['seed', isNumber],
  ['stop', (value) => isText(value) || listOf(isText)(value)],
  ['reasoning_effort', isText],
  ['parallel_tool_calls', isFlag],
  ['tool_choice', isText],
  ['tools', listOf(isTool)],
])

const inSchema: ReadonlySet<string> = new Set(Object.keys(chatRequestSchema.shape))

/**
 * Gives the request as it is when the schema would have taken it unchanged; `undefined` when only the schema can tell.
 * Never takes what the schema refuses: the tests hold both against each other.
 */
export function readPlainRequest(json: Json): ChatRequest | undefined {
  if (json['messages'] === undefined) return undefined
  for (const name of Object.keys(json)) {
    if (name === 'stream_options' && json['stream'] === true && isUsageOption(json[name])) continue
    const check = members.get(name)
    if (check === undefined ? inSchema.has(name) : !check(json[name])) return undefined
  }
  return json as ChatRequest
}

function isUsageOption(value: unknown): boolean {
  return isRecord(value) && (value['include_usage'] === undefined || isFlag(value['include_usage']))
}
