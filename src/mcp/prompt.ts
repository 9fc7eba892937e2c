/** The contract of an MCP prompt: words that a user picks in a client to have its model use the tools well. */
import { type McpServer, completable } from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { Caller } from '../gateway/call.ts'
import type { Routeplane } from '../routeplane.ts'
import { suggestModels } from './models-resource.ts'

export type Prompt = {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly arguments: readonly PromptArgument[]
  /** Arguments that were not given are empty texts. */
  text(given: Readonly<Record<string, string>>): string
}

export type PromptArgument = {
  readonly name: string
  readonly description: string
  readonly isRequired: boolean
  /** Whether it is a model's id, which the client can be helped with. */
  readonly isModel?: true
}

type PromptSources = { open(): Promise<Routeplane>; readonly caller: Caller }

/** Offers every prompt on the server. */
export function registerPrompts(server: McpServer, prompts: readonly Prompt[], sources: PromptSources): void {
  for (const prompt of prompts) {
    const { name, title, description } = prompt
    const argsSchema = z.object(Object.fromEntries(prompt.arguments.map((each) => [each.name, schemaOf(each, sources)])))
    server.registerPrompt(name, { title, description, argsSchema }, (given) => {
      const all = Object.fromEntries(prompt.arguments.map((each) => [each.name, given[each.name] ?? '']))
      return { description, messages: [{ role: 'user', content: { type: 'text', text: prompt.text(all) } }] }
    })
  }
}

const MAX_ARGUMENT = 100_000

function schemaOf({ description, isRequired, isModel }: PromptArgument, sources: PromptSources): z.ZodType<string | undefined> {
  const text = z.string().max(MAX_ARGUMENT).describe(description)
  const assisted = isModel === true ? completable(text, async (value) => [...(await suggest(sources, value))]) : text
  return isRequired ? assisted : assisted.optional()
}

/** A suggestion that fails is none: nobody waits for it. */
async function suggest({ open, caller }: PromptSources, value: string): Promise<readonly string[]> {
  try {
    return await suggestModels({ routeplane: await open(), caller }, value)
  } catch {
    return []
  }
}
