/** What the conformance suites ask of every server besides its own tools: tools, resources and prompts of prescribed names. */
import { type McpServer, ResourceTemplate, completable } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { addInputFixtures } from './input-fixtures.ts'
import { text, PIXEL } from './content.ts'
import { addToolFixtures } from './tool-fixtures.ts'

/** Registers all of them; the server must not be connected yet. */
export function addFixtures(server: McpServer): void {
  server.server.registerCapabilities({ logging: {}, resources: { subscribe: true } })
  addToolFixtures(server)
  addInputFixtures(server)
  addResources(server)
  addPrompts(server)
}

function addResources(server: McpServer): void {
  const plain = { mimeType: 'text/plain' }
  for (const [name, uri] of [
    ['static-text', 'test://static-text'],
    ['watched', 'test://watched-resource'],
  ] as const) {
    server.registerResource(name, uri, plain, () => ({ contents: [{ uri, ...plain, text: `the text of ${name}` }] }))
  }
  const binary = { mimeType: 'image/png' }
  server.registerResource('static-binary', 'test://static-binary', binary, ({ href }) => ({
    contents: [{ uri: href, ...binary, blob: PIXEL }],
  }))
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined })
  server.registerResource('template', template, { mimeType: 'application/json' }, ({ href }, { id }) => ({
    contents: [{ uri: href, mimeType: 'application/json', text: JSON.stringify({ id, data: `data of ${String(id)}` }) }],
  }))
  // Removed in the 2026 revision, whose servers refuse to register them.
  for (const method of ['resources/subscribe', 'resources/unsubscribe'] as const) server.server.setRequestHandler(method, () => ({}))
}

function addPrompts(server: McpServer): void {
  const user = <Content>(content: Content) => ({ role: 'user' as const, content })
  server.registerPrompt('test_simple_prompt', { description: 'plain' }, () => ({ messages: [user(text('a simple prompt'))] }))
  const argsSchema = z.object({
    arg1: completable(z.string(), (value) => ['paris', 'park'].filter((each) => each.startsWith(value))),
    arg2: z.string(),
  })
  server.registerPrompt('test_prompt_with_arguments', { description: 'with arguments', argsSchema }, ({ arg1, arg2 }) => ({
    messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  }))
  const resourceSchema = z.object({ resourceUri: z.string() })
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'resource', argsSchema: resourceSchema },
    ({ resourceUri }) => ({
      messages: [
        user({ type: 'resource' as const, resource: { uri: resourceUri, mimeType: 'text/plain', text: 'embedded' } }),
        user(text('look at it')),
      ],
    }),
  )
  server.registerPrompt('test_prompt_with_image', { description: 'image' }, () => ({
    messages: [user({ type: 'image' as const, data: PIXEL, mimeType: 'image/png' }), user(text('look at it'))],
  }))
}
