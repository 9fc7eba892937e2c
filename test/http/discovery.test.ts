/** The pages that machines read first: valid, complete, and about the routes that there are. */
import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it, onTestFinished } from 'vitest'
import { operations } from '../../src/http/discovery.ts'
import { protocols } from '../../src/protocol/index.ts'
import { startGateway } from '../support/gateway.ts'
import { nativeJson, scripted, serve } from './support.ts'

type Document = {
  readonly openapi: string
  readonly servers: readonly [{ readonly url: string }]
  readonly security?: readonly object[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly summary: string; readonly responses: object }>>>>
}

async function read(url: string): Promise<Document> {
  const response = await fetch(`${url}/openapi.json`)
  expect(response.status).toBe(200)
  return (await response.json()) as Document
}

const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary }]) => ({ method: method.toUpperCase(), path, summary })),
  )

describe('the routes as OpenAPI', () => {
  it('are valid, each is described, and each description is of one', async () => {
    const gateway = await startGateway([])
    onTestFinished(() => gateway.close())
    const document = await read(gateway.url)
    expect(await new Validator().validate({ ...document })).toMatchObject({ valid: true })
    expect(document.servers).toEqual([{ url: gateway.url }])
    expect(document.security).toBeUndefined()
    const shown = operationsOf(document)
    // A route that nobody has described is shown by its own pattern.
    expect(shown.filter(({ summary }) => /^(?:GET|POST|DELETE|PUT|PATCH) \//.test(summary))).toEqual([])
    expect(shown).toHaveLength(Object.keys(operations).length)
  })

  it('are answered where they are said to be', async () => {
    const gateway = await startGateway([])
    onTestFinished(() => gateway.close())
    for (const { method, path } of operationsOf(await read(gateway.url))) {
      const target = gateway.url + path.replaceAll(/\{\w+\}/g, 'x')
      const body = method === 'POST' ? { body: '{}', headers: { 'content-type': 'application/json' } } : {}
      const { status } = await fetch(target, { method, ...body })
      expect([method, path, status === 405 && path !== '/mcp']).toEqual([method, path, false])
    }
  })

  it('are read without a token, which they ask for everywhere else', async () => {
    const server = await serve(
      scripted(async () => nativeJson({})),
      { protocols },
    )
    onTestFinished(() => server.close())
    const document = await read(server.url)
    expect(document.security).toEqual([{ token: [] }])
    expect(Object.keys(document.paths)).not.toContain('/mcp')
    expect(await (await fetch(`${server.url}/llms.txt`)).text()).toContain('authorization: Bearer')
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(401)
    // Nothing is sold here.
    expect((await fetch(`${server.url}/.well-known/x402`)).status).toBe(404)
    expect((await fetch(`${server.url}/openapi.json`, { method: 'DELETE' })).status).toBe(405)
  })
})
