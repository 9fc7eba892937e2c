/** Tools of the conformance suites that answer by themselves, or ask the client in the way of the 2025 revisions. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CallToolResult, type McpServer, type ServerContext, fromJsonSchema } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { PIXEL, SILENCE, text } from './content.ts'

const image = { type: 'image' as const, data: PIXEL, mimeType: 'image/png' }
const embedded = (uri: string, value: string) => ({ type: 'resource' as const, resource: { uri, mimeType: 'text/plain', text: value } })

type Answer = (context: ServerContext) => CallToolResult | Promise<CallToolResult>

const plainTools: Readonly<Record<string, Answer>> = {
  test_simple_text: () => ({ content: [text('This is a simple text response for testing.')] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: 'audio', data: SILENCE, mimeType: 'audio/wav' }] }),
  test_embedded_resource: () => ({ content: [embedded('test://embedded-resource', 'embedded')] }),
  test_multiple_content_types: () => ({
    content: [text('Multiple content types test:'), image, embedded('test://mixed-content-resource', '{"test":"data"}')],
  }),
  test_error_handling: () => {
    throw new Error('This tool intentionally returns an error for testing')
  },
  test_tool_with_logging: async ({ mcpReq }) => {
    for (const step of ['started', 'processing', 'completed']) {
      await mcpReq.log('info', `Tool execution ${step}`)
      await sleep(50)
    }
    return { content: [text('logged')] }
  },
  test_logging_tool: async ({ mcpReq }) => {
    await mcpReq.log('info', 'only for those who asked for a level')
    return { content: [text('logged')] }
  },
  test_tool_with_progress: async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? 0
    for (const progress of [0, 50, 100]) {
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } })
      await sleep(50)
    }
    return { content: [text('done')] }
  },
  test_reconnection: async ({ http }) => {
    http?.closeSSE?.()
    await sleep(100)
    return { content: [text('Reconnection test completed successfully.')] }
  },
  test_elicitation_sep1034_defaults: (context) =>
    elicit(context, 'defaults', {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    }),
  test_elicitation_sep1330_enums: (context) => {
    const options = ['option1', 'option2', 'option3']
    const titled = [1, 2, 3].map((at) => ({ const: `value${at}`, title: `Choice ${at}` }))
    return elicit(context, 'enums', {
      untitledSingle: { type: 'string', enum: options },
      titledSingle: { type: 'string', oneOf: titled },
      legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
      untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
      titledMulti: { type: 'array', items: { anyOf: titled } },
    })
  },
}

export function addToolFixtures(server: McpServer): void {
  for (const [name, answer] of Object.entries(plainTools)) server.registerTool(name, { description: name }, answer)
  server.registerTool(
    'test_sampling',
    { description: 'sampling', inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, { mcpReq }) => {
      const messages = [{ role: 'user' as const, content: text(prompt) }]
      const result = await mcpReq.requestSampling({ messages, maxTokens: 100 }, { relatedRequestId: mcpReq.id })
      return { content: [text(`LLM response: ${JSON.stringify(result.content)}`)] }
    },
  )
  server.registerTool(
    'test_elicitation',
    { description: 'elicitation', inputSchema: z.object({ message: z.string() }) },
    ({ message }, context) => elicit(context, message, { username: { type: 'string' }, email: { type: 'string' } }),
  )
  server.registerTool('json_schema_2020_12_tool', { description: 'schema', inputSchema: fromJsonSchema(SCHEMA) }, () => ({
    content: [text('ok')],
  }))
  // A variable, because the type of JSON Schema knows no vendor's keywords.
  const properties = { region: { type: 'string' as const, 'x-mcp-header': 'Region' } }
  const region = fromJsonSchema<{ region?: string }>({ type: 'object', properties })
  server.registerTool('test_x_mcp_header', { description: 'header', inputSchema: region }, ({ region: name }) => ({
    content: [text(String(name))],
  }))
}

type Properties = Parameters<ServerContext['mcpReq']['elicitInput']>[0] extends infer Params
  ? Params extends { requestedSchema: { properties: infer P } }
    ? P
    : never
  : never

async function elicit({ mcpReq }: ServerContext, message: string, properties: Properties): Promise<CallToolResult> {
  const form = { mode: 'form' as const, message, requestedSchema: { type: 'object' as const, properties } }
  // On the stream of the call itself: the one on which the client listens for everything else may not be open yet.
  const { action, content } = await mcpReq.elicitInput(form, { relatedRequestId: mcpReq.id })
  return { content: [text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)] }
}

const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object' as const,
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // oxlint-disable-next-line unicorn/no-thenable -- the keyword under test is JSON Schema's own
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}
