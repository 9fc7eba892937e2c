/** `routeplane registry add`, `new`, `add-model`, `remove-model` and `delete`: changes to providers' files. */
import { resolve } from 'node:path'
import { existsSync } from 'node:fs'
import { RouteplaneError } from '../errors.ts'
import type { ProviderFields } from '../registry/provider-edit.ts'
import { providerFile, readProviderFile, readRegistryFile } from '../registry/registry-files.ts'
import { plainCommand, type Command } from './command.ts'
import type { CommandContext } from './context.ts'
import type { Invocation } from './invocation.ts'
import { askMissing, commit, readRegistry, registryOptions, registryToChange, wordsOf, type Question } from './registry-directory.ts'

const fieldOptions = {
  name: { type: 'string', value: '<name>', summary: 'For people; the id by default.' },
  endpoint: { type: 'string', value: '<url>', summary: 'The base URL, such as https://api.example.ai/v1.' },
  protocol: { type: 'string', value: '<list>', summary: 'openai, anthropic, google or responses; several with commas.' },
  'models-url': { type: 'string', value: '<url>', summary: 'Its models document.' },
  status: { type: 'string', value: '<status>', summary: 'active, staging, suspended or withdrawn.' },
  kind: { type: 'string', value: '<kind>', summary: 'first_party, gateway, cloud, third_party or managed.' },
  weight: { type: 'string', value: '<share>', summary: 'From 0 to 1.' },
  rpm: { type: 'string', value: '<count>', summary: 'Requests a minute it takes.' },
  modes: { type: 'string', value: '<list>', summary: 'How it is paid: byok, x402, mpp, invoice.' },
  'x402-address': { type: 'string', value: '<address>', summary: 'The one address that is paid.' },
  networks: { type: 'string', value: '<list>', summary: 'CAIP-2 ids of the networks it is paid on.' },
  homepage: { type: 'string', value: '<url>', summary: 'Its homepage.' },
  support: { type: 'string', value: '<url>', summary: 'Where to ask for support.' },
  'doc-url': { type: 'string', value: '<url>', summary: 'Its API documentation.' },
  contact: { type: 'string', value: '<email>', summary: 'Whom to reach when something breaks.' },
} as const satisfies Command['options']

type Answers = (option: string) => string | undefined

function fieldsOf(answers: Answers): ProviderFields {
  const words = (option: string) =>
    answers(option)
      ?.split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '')
  return {
    name: answers('name'),
    endpoint: answers('endpoint'),
    protocols: words('protocol'),
    modelsUrl: answers('models-url'),
    status: answers('status'),
    kind: answers('kind'),
    weight: answers('weight'),
    rpm: answers('rpm'),
    contact: answers('contact'),
    homepage: answers('homepage'),
    support: answers('support'),
    docUrl: answers('doc-url'),
    modes: words('modes'),
    x402Address: answers('x402-address'),
    networks: words('networks'),
  }
}

/** What a new provider cannot do without, and what a person is asked for besides. */
const questions: readonly Question[] = [
  { option: 'endpoint', question: 'Base URL (https://…/v1)', isRequired: true },
  { option: 'name', question: 'Name for people (empty: the id)' },
  { option: 'protocol', question: 'Speaks openai, anthropic, google or responses (empty: openai)' },
  { option: 'models-url', question: 'URL of the models document (empty: none)' },
  { option: 'modes', question: 'Paid by byok, x402, invoice, with commas (empty: byok)' },
]

const moreQuestions: readonly Question[] = [
  { option: 'x402-address', question: 'Address to be paid at, 0x… (empty: none)' },
  { option: 'homepage', question: 'Homepage (empty: none)' },
  { option: 'doc-url', question: 'API documentation (empty: none)' },
  { option: 'support', question: 'Where to ask for support, a URL (empty: none)' },
  { option: 'contact', question: 'E-mail address for when something breaks (empty: none)' },
]

/** Without a models document a new provider serves nothing yet, so it cannot be active. */
function newFields(answers: Answers): ProviderFields {
  const fields = fieldsOf(answers)
  return {
    ...fields,
    status: fields.status ?? (fields.modelsUrl === undefined ? 'staging' : undefined),
    protocols: fields.protocols ?? ['openai'],
  }
}

export const registryAdd: Command = {
  ...plainCommand,
  name: 'registry add',
  summary: 'Add a provider, or change the given fields of one.',
  details: [
    'A new provider needs --endpoint; at a terminal what is missing is asked for, in a script it ends with 2.',
    'One without a models document begins as staging, until models are added.',
  ],
  positionals: ['<provider>'],
  options: { ...fieldOptions, ...registryOptions },
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const directory = await registryToChange(invocation, context)
    const file = providerFile(id)
    const before = await readRegistryFile(directory, file)
    const { createProviderFile, updateProviderFile } = await import('../registry/provider-edit.ts')
    if (before !== undefined) return commit(directory, file, updateProviderFile(before, fieldsOf(invocation.text), file), invocation)
    const answers = await askMissing(registryAdd, invocation, context, questions)
    return commit(directory, file, createProviderFile(id, newFields(answers)), invocation)
  },
}

export const registryNew: Command = {
  ...plainCommand,
  name: 'registry new',
  summary: 'Write the manifest of a new provider by questions.',
  details: ['Writes providers/<id>.yaml here or below --dir, and never over another file. Everything can be given as an option.'],
  positionals: ['[provider]'],
  options: { id: { type: 'string', value: '<id>', summary: 'Lower-case letters, digits and "-".' }, ...fieldOptions, ...registryOptions },
  async run(invocation, context) {
    const directory = placeForNew(invocation, context)
    const [given] = invocation.positionals
    const named = given === undefined ? await askMissing(registryNew, invocation, context, [ID_QUESTION]) : () => given
    const id = named('id') ?? ''
    const file = providerFile(id)
    if ((await readRegistryFile(directory, file)) !== undefined) {
      throw new RouteplaneError('usage', `${file} is there already`, {
        hint: `Change it with "routeplane registry add ${id}".`,
        details: { problem: 'file_exists' },
      })
    }
    const answers = await askMissing(registryNew, invocation, context, [...questions, ...moreQuestions])
    const { createProviderFile } = await import('../registry/provider-edit.ts')
    const { text, value } = await commit(directory, file, createProviderFile(id, newFields(answers)), invocation)
    return { text: [text, '', 'Next:', ...nextSteps(id, newFields(answers), invocation)].join('\n'), value }
  },
}

/** What is still to be done, in lines that can be pasted. */
function nextSteps(id: string, { modelsUrl, modes }: ProviderFields, invocation: Invocation): readonly string[] {
  const here = invocation.flag('allow-loopback') ? ' --allow-loopback' : ''
  const takesKeys = modes === undefined || modes.includes('byok')
  return [
    ...(modelsUrl === undefined ? [`  routeplane registry add-model ${id} <maker/name> <its own id>`] : []),
    ...(takesKeys ? [`  export ${id.toUpperCase().replaceAll('-', '_')}_API_KEY=<your key>`] : []),
    `  routeplane registry check ${id}${here}`,
    '  and in routeplane.yaml: registry: { path: . }',
  ]
}

const ID_QUESTION: Question = { option: 'id', question: 'Id (lower-case letters, digits and "-")', isRequired: true }

function placeForNew(invocation: Invocation, { environment }: CommandContext): string {
  const directory = resolve(environment.workingDirectory, invocation.text('dir') ?? '.')
  if (existsSync(directory)) return directory
  throw new RouteplaneError('usage', `there is no folder ${directory}`, { details: { problem: 'no_registry' } })
}

export const registryAddModel: Command = {
  ...plainCommand,
  name: 'registry add-model',
  summary: 'Attach a canonical model to a provider, or change the given fields of one.',
  details: ['Prices are US dollars per million tokens. What is not given is unknown, and never zero.'],
  positionals: ['<provider>', '<canonical>', '[provider-model-id]'],
  options: {
    'no-cache': { type: 'string', value: '<usd>', summary: 'Input that no cache had.' },
    'cache-read': { type: 'string', value: '<usd>', summary: 'Input read from a cache.' },
    'cache-write': { type: 'string', value: '<usd>', summary: 'Input written to a cache.' },
    output: { type: 'string', value: '<usd>', summary: 'Output.' },
    reasoning: { type: 'string', value: '<usd>', summary: 'Output that is reasoning, where it has a price of its own.' },
    'context-length': { type: 'string', value: '<tokens>', summary: 'Its context length there.' },
    'max-output-tokens': { type: 'string', value: '<tokens>', summary: 'Its longest answer there.' },
    capabilities: { type: 'string', value: '<list>', summary: 'tools, json_mode, structured_outputs, logprobs, web_search, reasoning.' },
    'deprecation-date': { type: 'string', value: '<day>', summary: 'The day it goes, YYYY-MM-DD.' },
    ...registryOptions,
  },
  async run(invocation, context) {
    const [provider = '', id = '', upstreamModel = id] = invocation.positionals
    const { directory, file, text } = await openProvider(provider, invocation, context)
    const model = {
      id,
      upstreamModel,
      noCache: invocation.text('no-cache'),
      cacheRead: invocation.text('cache-read'),
      cacheWrite: invocation.text('cache-write'),
      output: invocation.text('output'),
      reasoning: invocation.text('reasoning'),
      contextLength: invocation.text('context-length'),
      maxOutputTokens: invocation.text('max-output-tokens'),
      capabilities: wordsOf(invocation, 'capabilities'),
      deprecationDate: invocation.text('deprecation-date'),
    }
    const { addListedModel } = await import('../registry/provider-edit.ts')
    return commit(directory, file, addListedModel(text, model, file), invocation)
  },
}

export const registryRemoveModel: Command = {
  ...plainCommand,
  name: 'registry remove-model',
  summary: 'Take a model off a provider.',
  positionals: ['<provider>', '<model>'],
  options: registryOptions,
  async run(invocation, context) {
    const [provider = '', model = ''] = invocation.positionals
    const { directory, file, text } = await openProvider(provider, invocation, context)
    const { removeListedModel } = await import('../registry/provider-edit.ts')
    return commit(directory, file, removeListedModel(text, model, file), invocation)
  },
}

export const registryDelete: Command = {
  ...plainCommand,
  name: 'registry delete',
  summary: 'Remove a provider with everything it lists.',
  positionals: ['<provider>'],
  options: registryOptions,
  async run(invocation, context) {
    const [provider = ''] = invocation.positionals
    const { directory, file } = await openProvider(provider, invocation, context)
    return commit(directory, file, undefined, invocation)
  },
}

async function openProvider(id: string, invocation: Invocation, context: CommandContext) {
  const directory = await registryToChange(invocation, context)
  const { definitions } = await readRegistry(directory, invocation)
  const known = definitions.map(({ provider }) => provider.id)
  return { directory, file: providerFile(id), text: await readProviderFile(directory, id, known) }
}
