/** Changes the shared vocabulary: adds a model to `canonical.yaml`, changes one, takes one out. */
import { RouteplaneError } from '../errors.ts'
import { isRecord } from '../lib/json.ts'
import { editYaml } from './yaml-edit.ts'
import { yamlFile, type YamlEntries, type YamlValue } from './yaml-value.ts'
import { readRegistryYaml } from './yaml.ts'
import { MAX_CANONICAL_BYTES } from './canonical.ts'

/** What a command line can say of a canonical model; `undefined` leaves what is there. */
export type CanonicalFields = {
  readonly name?: string | undefined
  readonly description?: string | undefined
  readonly inputModalities?: readonly string[] | undefined
  readonly outputModalities?: readonly string[] | undefined
  readonly maxInputTokens?: string | undefined
  readonly maxOutputTokens?: string | undefined
  readonly releaseDate?: string | undefined
  readonly knowledgeCutoff?: string | undefined
  readonly family?: string | undefined
  readonly openWeights?: string | undefined
  readonly aliases?: readonly string[] | undefined
}

const KEYS = [
  'id',
  'name',
  'description',
  'input_modalities',
  'output_modalities',
  'max_input_tokens',
  'max_output_tokens',
  'release_date',
  'knowledge_cutoff',
  'family',
  'open_weights',
  'official_pricing',
  'aliases',
] as const

const FILE = 'canonical.yaml'
const options = { maxBytes: MAX_CANONICAL_BYTES, file: FILE }

/** Adds a model, or changes the given fields of one that is there. `text` is `undefined` where there is no vocabulary yet. */
export function setCanonicalModel(text: string | undefined, id: string, fields: CanonicalFields): string {
  const entries = entriesOf(fields)
  const fresh: YamlValue = { block: [['id', { text: id }], ...entries] }
  if (text === undefined || isBlank(text)) {
    const head = text === undefined || text.trim() === '' ? '' : `${text.trimEnd()}\n\n`
    return `${head}${yamlFile([['models', { plain: '' }]]).trimEnd()}\n  - ${indented(fresh)}`
  }
  return editYaml(
    text,
    (editor) => {
      const index = canonicalIds(text).indexOf(id)
      if (index === -1) return editor.append(['models'], fresh)
      for (const [key, value] of entries) editor.set(['models', index, key], value, KEYS)
    },
    options,
  )
}

/** Takes a model out. @throws RouteplaneError `usage` when it is not there. */
export function removeCanonicalModel(text: string, id: string): string {
  const index = canonicalIds(text).indexOf(id)
  if (index === -1) throw new RouteplaneError('usage', `${FILE} has no model ${JSON.stringify(id.slice(0, 100))}`)
  return editYaml(text, (editor) => editor.removeItem(['models', index]), options)
}

function canonicalIds(text: string): readonly (string | undefined)[] {
  const { value } = readRegistryYaml(text, options)
  const models: unknown = isRecord(value) ? value['models'] : undefined
  if (!Array.isArray(models)) return []
  return models.map((model: unknown) => (isRecord(model) && typeof model['id'] === 'string' ? model['id'] : undefined))
}

/** A file of nothing but comments. */
function isBlank(text: string): boolean {
  return readRegistryYaml(text, options).value === null
}

function indented(value: Extract<YamlValue, { block: unknown }>): string {
  return yamlFile(value.block).trimEnd().replaceAll('\n', '\n    ').concat('\n')
}

function entriesOf(fields: CanonicalFields): YamlEntries {
  const text = (key: string, value: string | undefined): YamlEntries => (value === undefined ? [] : [[key, { text: value }]])
  const plain = (key: string, value: string | undefined): YamlEntries =>
    value === undefined ? [] : [[key, /^[A-Za-z0-9._-]+$/.test(value) ? { plain: value } : { quoted: value }]]
  const list = (key: string, value: readonly string[] | undefined): YamlEntries => (value === undefined ? [] : [[key, { list: value }]])
  return [
    ...text('name', fields.name),
    ...text('description', fields.description),
    ...list('input_modalities', fields.inputModalities),
    ...list('output_modalities', fields.outputModalities),
    ...plain('max_input_tokens', fields.maxInputTokens),
    ...plain('max_output_tokens', fields.maxOutputTokens),
    ...plain('release_date', fields.releaseDate),
    ...plain('knowledge_cutoff', fields.knowledgeCutoff),
    ...text('family', fields.family),
    ...plain('open_weights', fields.openWeights),
    ...list('aliases', fields.aliases),
  ]
}
