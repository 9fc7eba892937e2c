/** `routeplane registry canonical`: the shared vocabulary of models. */
import { RouteplaneError } from '../errors.ts'
import type { CanonicalModel } from '../registry/canonical.ts'
import { isCanonicalModelId } from '../registry/model-id.ts'
import { CANONICAL_FILE, readRegistryFile } from '../registry/registry-files.ts'
import { plainCommand, type Command } from './command.ts'
import { table } from './output.ts'
import { askMissing, commit, readRegistry, registryOptions, registryToChange, registryToRead, wordsOf } from './registry-directory.ts'

export const canonicalList: Command = {
  ...plainCommand,
  name: 'registry canonical list',
  aliases: ['registry canonical'],
  summary: 'List the shared vocabulary of models.',
  options: registryOptions,
  async run(invocation, context) {
    const directory = await registryToRead(invocation, context)
    const models = [...(await readRegistry(directory, invocation)).canonical.models.values()]
    const text = models.length === 0 ? 'No models.' : table(['model', 'name', 'takes', 'makes', 'input', 'output'], models.map(rowOf))
    return { text, value: { directory, models: models.map(valueOf) } }
  },
}

function rowOf(model: CanonicalModel): readonly string[] {
  const tokens = (count: number | undefined) => (count === undefined ? 'unknown' : String(count))
  return [
    model.id,
    model.name,
    model.inputModalities.join(', '),
    model.outputModalities.join(', '),
    tokens(model.maxInputTokens),
    tokens(model.maxOutputTokens),
  ]
}

function valueOf(model: CanonicalModel): unknown {
  return {
    id: model.id,
    name: model.name,
    input_modalities: model.inputModalities,
    output_modalities: model.outputModalities,
    max_input_tokens: model.maxInputTokens ?? null,
    max_output_tokens: model.maxOutputTokens ?? null,
    release_date: model.releaseDate ?? null,
    knowledge_cutoff: model.knowledgeCutoff ?? null,
    family: model.family ?? null,
    open_weights: model.openWeights ?? null,
    aliases: model.aliases,
  }
}

const NEEDED = [
  { option: 'name', question: 'Name for people, such as "OpenAI: GPT-4o"', isRequired: true },
  { option: 'input-modalities', question: 'Takes text, image, audio, video, file, with commas', isRequired: true },
  { option: 'output-modalities', question: 'Makes text, image, audio, with commas', isRequired: true },
] as const

export const canonicalAdd: Command = {
  ...plainCommand,
  name: 'registry canonical add',
  summary: 'Add a model to the vocabulary, or change the given fields of one.',
  details: ['A new model needs --name, --input-modalities and --output-modalities.'],
  positionals: ['<model>'],
  options: {
    name: { type: 'string', value: '<name>', summary: 'For people, such as "OpenAI: GPT-4o".' },
    description: { type: 'string', value: '<text>', summary: 'One or two sentences.' },
    'input-modalities': { type: 'string', value: '<list>', summary: 'text, image, audio, video, file.' },
    'output-modalities': { type: 'string', value: '<list>', summary: 'text, image, audio, video, file.' },
    'max-input-tokens': { type: 'string', value: '<count>', summary: 'Its context length.' },
    'max-output-tokens': { type: 'string', value: '<count>', summary: 'Its longest answer.' },
    'release-date': { type: 'string', value: '<day>', summary: 'YYYY-MM-DD.' },
    'knowledge-cutoff': { type: 'string', value: '<date>', summary: 'YYYY, YYYY-MM or YYYY-MM-DD.' },
    family: { type: 'string', value: '<name>', summary: 'GPT, Claude, Llama and the like.' },
    'open-weights': { type: 'string', value: '<bool>', summary: 'true or false.' },
    aliases: { type: 'string', value: '<list>', summary: 'Other ids that mean this model.' },
    ...registryOptions,
  },
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    if (!isCanonicalModelId(id))
      throw new RouteplaneError('usage', `${JSON.stringify(id)} is not a canonical id: "maker/name" in lower case`)
    const directory = await registryToChange(invocation, context)
    const before = await readRegistryFile(directory, CANONICAL_FILE)
    const { canonical } = await readRegistry(directory, invocation)
    const answers = await askMissing(canonicalAdd, invocation, context, canonical.models.has(id) ? [] : NEEDED)
    const words = (option: string) => wordsOf({ ...invocation, text: answers }, option)
    const fields = {
      name: answers('name'),
      description: answers('description'),
      inputModalities: words('input-modalities'),
      outputModalities: words('output-modalities'),
      maxInputTokens: answers('max-input-tokens'),
      maxOutputTokens: answers('max-output-tokens'),
      releaseDate: answers('release-date'),
      knowledgeCutoff: answers('knowledge-cutoff'),
      family: answers('family'),
      openWeights: answers('open-weights'),
      aliases: words('aliases'),
    }
    const { setCanonicalModel } = await import('../registry/canonical-edit.ts')
    return commit(directory, CANONICAL_FILE, setCanonicalModel(before, id, fields), invocation)
  },
}

export const canonicalRemove: Command = {
  ...plainCommand,
  name: 'registry canonical remove',
  summary: 'Take a model out of the vocabulary, unless a provider lists it.',
  positionals: ['<model>'],
  options: registryOptions,
  async run(invocation, context) {
    const [id = ''] = invocation.positionals
    const directory = await registryToChange(invocation, context)
    const { definitions } = await readRegistry(directory, invocation)
    const users = definitions.filter(({ models }) => models.some((model) => (model.canonicalId ?? model.upstreamModel) === id))
    if (users.length > 0) {
      const names = users.map(({ provider }) => provider.id)
      throw new RouteplaneError('usage', `${id} is listed by ${names.join(', ')}`, {
        hint: `Take it off first: routeplane registry remove-model ${names[0] ?? ''} ${id}`,
        details: { problem: 'referenced', providers: names },
      })
    }
    const text = (await readRegistryFile(directory, CANONICAL_FILE)) ?? ''
    const { removeCanonicalModel } = await import('../registry/canonical-edit.ts')
    return commit(directory, CANONICAL_FILE, removeCanonicalModel(text, id), invocation)
  },
}
