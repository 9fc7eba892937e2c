/** Tools of the conformance suites that need an answer of the user, in the way of the 2026 revision: by asking to be called again. */
import {
  CLIENT_CAPABILITIES_META_KEY,
  type CallToolResult,
  type InputRequests,
  type InputRequiredResult,
  type McpServer,
  type ServerContext,
  acceptedContent,
  createRequestStateCodec,
  inputRequired,
  inputResponse,
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import { text } from './content.ts'

/** Seals what the tools below have clients carry. */
export const requestState = createRequestStateCodec<string>({ key: 'a key that only this test suite knows' })

const say = (value: string): CallToolResult => ({ content: [text(value)] })
const ask = (message: string, schema: z.ZodObject) => inputRequired.elicit({ message, requestedSchema: schema })
const sample = (question: string) => inputRequired.createMessage({ messages: [{ role: 'user', content: text(question) }], maxTokens: 100 })

const named = z.object({ name: z.string() })
const confirmed = z.object({ ok: z.boolean() })
const colored = z.object({ color: z.string() })

/** What each request says of its client; the SDK leaves it open. */
type ClientEnvelope = { readonly [CLIENT_CAPABILITIES_META_KEY]?: { readonly sampling?: object; readonly elicitation?: object } }

type Answer = (context: ServerContext) => Promise<CallToolResult | InputRequiredResult>

const tools: Readonly<Record<string, Answer>> = {
  test_missing_capability: async () => inputRequired({ inputRequests: { question: sample('anything?') } }),
  test_streaming_elicitation: async () => inputRequired({ inputRequests: { name: ask('Who?', named) } }),
  test_input_required_result_elicitation: async ({ mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, 'user_name', named)
    return given === undefined
      ? inputRequired({ inputRequests: { user_name: ask('What is your name?', named) } })
      : say(`Hello, ${given.name}!`)
  },
  test_input_required_result_sampling: async ({ mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'capital_question')
    if (given.kind === 'sampling') return say(JSON.stringify(given.result.content))
    return inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?') } })
  },
  test_input_required_result_list_roots: async ({ mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'client_roots')
    return given.kind === 'roots'
      ? say(JSON.stringify(given.roots))
      : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } })
  },
  test_input_required_result_request_state: (context) => askToConfirm(context),
  test_input_required_result_tampered_state: (context) => askToConfirm(context),
  test_input_required_result_multiple_inputs: async ({ mcpReq }) => {
    if (mcpReq.requestState() === 'several' && mcpReq.inputResponses !== undefined) return say('all there')
    const inputRequests = {
      user_name: ask('What is your name?', named),
      greeting: sample('Generate a greeting'),
      client_roots: inputRequired.listRoots(),
    }
    return inputRequired({ inputRequests, requestState: await requestState.mint('several') })
  },
  test_input_required_result_multi_round: async ({ mcpReq }) => {
    const state = mcpReq.requestState()
    if (state === 'second') return say('done after two rounds')
    const [next, inputRequests]: [string, InputRequests] =
      state === 'first'
        ? ['second', { step2: ask('Step 2: What is your favorite color?', colored) }]
        : ['first', { step1: ask('Step 1: What is your name?', named) }]
    return inputRequired({ inputRequests, requestState: await requestState.mint(next) })
  },
  test_input_required_result_capabilities: async ({ mcpReq }) => {
    const capabilities = (mcpReq.envelope as ClientEnvelope | undefined)?.[CLIENT_CAPABILITIES_META_KEY]
    const inputRequests: InputRequests = {
      ...(capabilities?.sampling === undefined ? {} : { greeting: sample('Generate a greeting') }),
      ...(capabilities?.elicitation === undefined ? {} : { user_name: ask('What is your name?', named) }),
    }
    return Object.keys(inputRequests).length === 0 ? say('nothing to ask with') : inputRequired({ inputRequests })
  },
}

async function askToConfirm({ mcpReq }: ServerContext): Promise<CallToolResult | InputRequiredResult> {
  if (mcpReq.requestState() === 'confirming' && acceptedContent(mcpReq.inputResponses, 'confirm', confirmed) !== undefined)
    return say('state-ok')
  return inputRequired({
    inputRequests: { confirm: ask('Please confirm', confirmed) },
    requestState: await requestState.mint('confirming'),
  })
}

export function addInputFixtures(server: McpServer): void {
  for (const [name, answer] of Object.entries(tools)) server.registerTool(name, { description: name }, answer)
  const context = z.object({ context: z.string() })
  server.registerPrompt('test_input_required_result_prompt', { description: 'asks first' }, async ({ mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, 'user_context', context)
    if (given === undefined) return inputRequired({ inputRequests: { user_context: ask('What context should the prompt use?', context) } })
    return { messages: [{ role: 'user', content: text(`in the context of ${given.context}`) }] }
  })
}
