/** Encodes tools, and which of them the model may or must call. */
import type { CompletionRequest, Tool, ToolChoice } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { approximated, omitted, refusal, unsupported, type Loss, type LossFeature } from '../loss.ts'
import type { RenameTable } from '../rename-table.ts'
import { hasNoParameters, lowerSchema } from '../schema-lowering.ts'
import {
  freeformFunction,
  lossesOfOrigin,
  lossesOfSettings,
  lossOfSearch,
  newContainer,
  noSettings,
  usesOwnContainer,
} from '../tool-origin.ts'
import type { ModelTraits } from './generation.ts'

type Json = Readonly<Record<string, unknown>>

type Work = { readonly names: RenameTable; readonly traits: ModelTraits; readonly losses: Loss[] }

type EncodedTools = { readonly tools?: readonly Json[]; readonly toolConfig?: Json }

type Callable = Extract<Tool, { type: 'function' | 'freeform' }>

const WIRE = 'generate_content'

/** Gives the tools that become functions. */
export function callableTools(tools: readonly Tool[]): readonly Callable[] {
  return tools.filter((tool) => tool.type === 'function' || tool.type === 'freeform')
}

/** @see https://ai.google.dev/api/caching#Tool */
export function encodeTools(request: CompletionRequest, work: Work): EncodedTools {
  const { toolChoice: choice } = request
  if (request.parallelToolCalls === false)
    work.losses.push(approximated('parallel_tool_calls', 'parallel_tool_calls', 'of several calls only the first is delivered'))
  const offered = offeredTools(request.tools, choice)
  const functions = callableTools(request.tools).filter((tool) => offered(tool.name))
  const declarations = functions.map((tool) => encodeFunction(tool, request.tools.indexOf(tool), work))
  const hosted = request.tools.flatMap((tool, index) =>
    encodeHosted(tool, `tools[${index}]`, { request, besideFunctions: functions.length > 0 }, work),
  )
  const tools = [...(declarations.length === 0 ? [] : [{ functionDeclarations: declarations }]), ...hosted]
  if (tools.length === 0) return {}
  return defined({ tools, toolConfig: functions.length === 0 ? undefined : encodeChoice(choice, functions, work) })
}

/** This wire has no subset the model is free to use: what is not allowed is then not declared. */
function offeredTools(tools: readonly Tool[], choice: ToolChoice | undefined): (name: string) => boolean {
  if (choice?.mode !== 'auto' || choice.allowed === undefined) return () => true
  const allowed = new Set(choice.allowed)
  return tools.length === 0 ? () => true : (name) => allowed.has(name)
}

function encodeFunction(tool: Callable, index: number, work: Work): Json {
  const path = `tools[${index}]`
  const name = work.names.toWire(tool.name)
  work.losses.push(...lossesOfOrigin(tool, path))
  if (tool.type === 'freeform') return encodeFreeform(tool, name, path, work)
  if (tool.cache !== undefined) work.losses.push(unsupported(path, 'cache_control', 'this wire caches by itself'))
  const lowered = lowerSchema(tool.schema, 'google-json', { purpose: 'tool', path: `${path}.parameters` })
  work.losses.push(...lowered.losses)
  const parameters = hasNoParameters(lowered.schema) ? undefined : lowered.schema
  return defined({ name, description: tool.description, parametersJsonSchema: parameters })
}

function encodeFreeform(tool: Extract<Tool, { type: 'freeform' }>, name: string, path: string, { losses }: Work): Json {
  const { description, schema, losses: lost } = freeformFunction(tool, path)
  losses.push(...lost)
  return defined({ name, description, parametersJsonSchema: schema })
}

/** Hosted tools that this wire has too, whatever they were set up with elsewhere. */
const hosted: Readonly<Record<string, { readonly wire: string; readonly feature: LossFeature }>> = {
  web_search: { wire: 'googleSearch', feature: 'tool.web_search' },
  web_fetch: { wire: 'urlContext', feature: 'tool.web_fetch' },
  code_execution: { wire: 'codeExecution', feature: 'tool.code_execution' },
}

const featureOf: Readonly<Record<string, LossFeature>> = { mcp: 'tool.mcp' }

type Beside = { readonly request: CompletionRequest; readonly besideFunctions: boolean }

function encodeHosted(tool: Tool, path: string, { request, besideFunctions }: Beside, { traits, losses }: Work): readonly Json[] {
  if (tool.type === 'function' || tool.type === 'freeform') return []
  if (tool.wire === WIRE) return [tool.raw as Json]
  if (tool.type === 'client-builtin') {
    losses.push(refusal(path, 'tool.client_builtin', `the model was not taught the tool ${tool.family}`))
    return []
  }
  const same = Object.hasOwn(hosted, tool.family) ? hosted[tool.family] : undefined
  if (same === undefined) {
    losses.push(unsupported(path, featureOf[tool.family] ?? 'tool.hosted', `this wire has no hosted tool ${tool.family}`))
    return []
  }
  if (besideFunctions && !traits.mixesTools) {
    const how = 'the model takes no hosted tool beside functions'
    losses.push(tool.family === 'web_search' ? lossOfSearch(request, path, how) : unsupported(path, same.feature, how))
    return []
  }
  if (tool.family === 'code_execution' && usesOwnContainer(tool.config)) {
    losses.push(unsupported(path, same.feature, 'its container and files are at another vendor'))
    return []
  }
  const carried = tool.family === 'code_execution' ? newContainer : noSettings
  losses.push(
    approximated(path, same.feature, `offered as ${same.wire}, without its settings`),
    ...lossesOfSettings(tool, carried, path, same.feature),
  )
  return [{ [same.wire]: {} }]
}

function encodeChoice(choice: ToolChoice | undefined, functions: readonly Callable[], { names, losses }: Work): Json | undefined {
  const strict = functions.filter((tool) => tool.type === 'function' && tool.strict === true)
  if (choice === undefined || choice.mode === 'auto') {
    if (strict.length === 0) return choice === undefined ? undefined : callingConfig({ mode: 'AUTO' })
    losses.push(approximated('tools', 'tool.strict', 'calls are held to their schemas for all functions at once'))
    return callingConfig({ mode: 'VALIDATED' })
  }
  if (strict.length > 0 && choice.mode !== 'none')
    losses.push(approximated('tools', 'tool.strict', 'calls are held to their schemas because one must be made'))
  if (choice.mode === 'none') return callingConfig({ mode: 'NONE' })
  const declared = new Set(functions.map(({ name }) => name))
  const wanted = choice.mode === 'tool' ? [choice.name] : (choice.allowed ?? [])
  const known = wanted.filter((name) => declared.has(name))
  if (known.length < wanted.length) losses.push(omitted('tool_choice', 'tool_choice.allowed', 'it names a tool that is no function here'))
  return callingConfig(
    defined({ mode: 'ANY', allowedFunctionNames: known.length === 0 ? undefined : known.map((name) => names.toWire(name)) }),
  )
}

function callingConfig(config: Json): Json {
  return { functionCallingConfig: config }
}
