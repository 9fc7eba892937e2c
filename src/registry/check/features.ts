/** Rows about what an answer can hold: how it ends, tool calls, JSON, images. */
import { deflateSync } from 'node:zlib'
import type { Feature } from '../../completion/features.ts'
import type { Content, OutputFormat } from '../../completion/request.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { excerpt, failureOf, hasText, judged, textOf } from './judge.ts'
import type { Answered } from './probe.ts'
import { say, SHORT_ANSWER_TOKENS, user, weatherTool, type Question } from './question.ts'
import { row, verdictOf, type Judgement, type RowGroup } from './row.ts'
import type { Subject } from './subject.ts'

export const answerFeatures: RowGroup = {
  id: 'features',
  title: 'Finish reasons, tools, JSON and images',
  async run(subject) {
    const { probe } = subject
    const plain = await probe.ask(say('Answer with the single word: done'))
    const long = await probe.ask(say('Write a poem of forty lines about the sea.', { maxOutputTokens: 16 }))
    const call = await withFeature(subject, 'tools', toolQuestion)
    return [
      row(
        'finish.stop',
        'ends with stop',
        judged(plain, (answer) => endsWith(answer, ['stop', 'stop_sequence'])),
      ),
      row('finish.length', 'ends with length when the limit is reached', judged(long, endsAtLimit)),
      row(
        'finish.tool_calls',
        'ends with tool_calls',
        typeof call === 'string' ? ['not_applicable', call] : judged(call, (answer) => endsWith(answer, ['tool_calls'])),
      ),
      row(
        'parameter.tools',
        'calls a tool with arguments that fit',
        typeof call === 'string' ? ['not_applicable', call] : judged(call, callsTool),
      ),
      row('parameter.tool_result', 'goes on after a tool has answered', await judgeToolResult(subject)),
      row('parameter.functions', 'takes tools in the old spelling', await judgeFunctions(subject)),
      row('parameter.response_format', 'answers JSON when told to', await judgeJson(subject)),
      row('parameter.json_schema', 'answers by a JSON schema', await judgeSchema(subject)),
      row('capability.vision_call', 'takes an image', await judgeImage(subject)),
    ]
  },
}

const toolQuestion: Question = {
  ...say('What is the weather in Paris? Use the tool.'),
  tools: [weatherTool],
  toolChoice: { mode: 'required' },
}

type Reply = Awaited<ReturnType<Subject['probe']['ask']>>

/** @returns why a feature is not asked for. */
async function withFeature({ endpoint, probe }: Subject, feature: Feature, question: Question): Promise<Reply | string> {
  if (endpoint.features !== undefined && !endpoint.features.includes(feature)) return 'not declared'
  return probe.ask(question)
}

function endsWith(answer: Answered, reasons: readonly string[]): Judgement {
  if (answer.result === undefined) return ['fail', failureOf(answer)]
  const finish = answer.result.candidates[0]?.finish
  return verdictOf(finish !== undefined && reasons.includes(finish.reason), finish?.raw ?? finish?.reason ?? 'no finish reason')
}

/** A model that was done before the limit has not been at it. */
function endsAtLimit(answer: Answered): Judgement {
  if (answer.result === undefined) return ['fail', failureOf(answer)]
  const { finish } = answer.result.candidates[0] ?? {}
  if (finish?.reason === 'stop' && textOf(answer).split(/\s+/).length < 12) return ['not_checked', 'the answer ended before the limit']
  return endsWith(answer, ['length'])
}

function callsTool(answer: Answered): Judgement {
  if (answer.result === undefined) return ['fail', failureOf(answer)]
  const calls = answer.result.candidates[0]?.content.filter((part) => part.type === 'tool-call') ?? []
  const [call] = calls
  if (call === undefined) return ['fail', `no tool was called: ${excerpt(textOf(answer))}`]
  const value = call.arguments.kind === 'json' ? call.arguments.value : undefined
  const fits = call.name === weatherTool.name && isRecord(value) && typeof value['city'] === 'string'
  return verdictOf(fits, `${call.name}(${excerpt(call.arguments.text)})`)
}

async function judgeToolResult(subject: Subject): Promise<Judgement> {
  const called: Content = {
    type: 'tool-call',
    id: 'call_1',
    name: weatherTool.name,
    arguments: { kind: 'json', text: '{"city":"Paris"}', value: { city: 'Paris' } },
  }
  const returned: Content = {
    type: 'tool-result',
    callId: 'call_1',
    name: weatherTool.name,
    isError: false,
    content: [{ type: 'text', text: '21 degrees, sunny' }],
  }
  const reply = await withFeature(subject, 'tools', {
    turns: [user('What is the weather in Paris?'), { role: 'assistant', parts: [called] }, { role: 'tool', parts: [returned] }],
    tools: [weatherTool],
  })
  return typeof reply === 'string' ? ['not_applicable', reply] : judged(reply, hasText)
}

/** @see https://platform.openai.com/docs/api-reference/chat/create, "functions" (deprecated there) */
async function judgeFunctions({ endpoint, protocols, probe }: Subject): Promise<Judgement> {
  if (protocols[0]?.id !== 'chat_completions') return ['not_applicable', 'only Chat Completions has it']
  if (endpoint.features !== undefined && !endpoint.features.includes('tools')) return ['not_applicable', 'not declared']
  const functions = [{ name: weatherTool.name, parameters: { type: 'object', properties: { city: { type: 'string' } } } }]
  const reply = await probe.ask(say('What is the weather in Paris?'), { change: (body) => ({ ...body, functions }) })
  return judged(reply, ({ status, ...answer }) =>
    status >= 200 && status < 300 ? ['pass', 'taken'] : ['not_applicable', `refused: ${failureOf({ status, ...answer })}`],
  )
}

async function judgeJson(subject: Subject): Promise<Judgement> {
  const question: Question = {
    ...say('Answer with a JSON object that has the member "city" with the value "Paris".'),
    output: { kind: 'json' },
  }
  if (!changesBody(subject, question)) return ['not_applicable', 'the format has no JSON mode']
  const reply = await withFeature(subject, 'json_mode', question)
  return typeof reply === 'string' ? ['not_applicable', reply] : judged(reply, (answer) => holdsJson(answer, isRecord))
}

async function judgeSchema(subject: Subject): Promise<Judgement> {
  const output: OutputFormat = {
    kind: 'schema',
    name: 'place',
    schema: weatherTool.schema,
    strict: true,
  }
  const reply = await withFeature(subject, 'structured_outputs', { ...say('Name the capital of France.'), output })
  if (typeof reply === 'string') return ['not_applicable', reply]
  return judged(reply, (answer) =>
    holdsJson(answer, (value) => isRecord(value) && typeof value['city'] === 'string' && Object.keys(value).length === 1),
  )
}

function changesBody({ probe }: Subject, question: Question): boolean {
  return JSON.stringify(probe.encode(question)) !== JSON.stringify(probe.encode({ ...question, output: { kind: 'text' } }))
}

function holdsJson(answer: Answered, fits: (value: unknown) => boolean): Judgement {
  if (answer.result === undefined) return ['fail', failureOf(answer)]
  const text = textOf(answer)
  return verdictOf(fits(tryParseJson(text)), excerpt(text))
}

async function judgeImage({ endpoint, probe }: Subject): Promise<Judgement> {
  if (!endpoint.inputModalities.includes('image')) return ['not_applicable', 'not declared']
  const image: Content = { type: 'image', source: { kind: 'inline', mimeType: 'image/png', base64: redSquare() } }
  const reply = await probe.ask({
    turns: [user('What colour is this? Answer with one word.', image)],
    maxOutputTokens: SHORT_ANSWER_TOKENS,
  })
  return judged(reply, hasText)
}

/** A square of 32 red pixels a side, drawn here so that nothing has to be fetched. @see https://www.w3.org/TR/png-3/ */
function redSquare(): string {
  const size = 32
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header.set([8, 2], 8)
  const line = Buffer.concat([Buffer.from([0]), Buffer.alloc(size * 3).map((_, at) => (at % 3 === 0 ? 255 : 0))])
  const pixels = deflateSync(Buffer.concat(Array.from({ length: size }, () => line)))
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, pngChunk('IHDR', header), pngChunk('IDAT', pixels), pngChunk('IEND', Buffer.alloc(0))]).toString(
    'base64',
  )
}

function pngChunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const chunk = Buffer.alloc(body.length + 8)
  chunk.writeUInt32BE(content.length, 0)
  chunk.set(body, 4)
  chunk.writeUInt32BE(crc32(body), body.length + 4)
  return chunk
}

/** @see https://www.w3.org/TR/png-3/#D-CRCAppendix */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
