/** Writes and changes a provider's file: only what was asked for, in the spelling the file already has. */
import { RouteplaneError } from '../errors.ts'
import type { YamlEditor } from './yaml-edit.ts'
import { editYaml } from './yaml-edit.ts'
import { yamlFile, type YamlEntries, type YamlValue } from './yaml-value.ts'
import { isRecord } from '../lib/json.ts'
import { readRegistryYaml } from './yaml.ts'

/** What a command line can say of a provider; `undefined` leaves a file as it is. Texts are judged by the schema, not here. */
export type ProviderFields = {
  readonly name?: string | undefined
  readonly endpoint?: string | undefined
  readonly protocols?: readonly string[] | undefined
  readonly modelsUrl?: string | undefined
  readonly status?: string | undefined
  readonly kind?: string | undefined
  readonly weight?: string | undefined
  readonly rpm?: string | undefined
  readonly contact?: string | undefined
  readonly homepage?: string | undefined
  readonly support?: string | undefined
  readonly docUrl?: string | undefined
  readonly modes?: readonly string[] | undefined
  readonly x402Address?: string | undefined
  readonly networks?: readonly string[] | undefined
}

/** What a command line can say of a model at a provider. Prices are US dollars per million tokens. */
export type ListedModel = {
  /** The canonical id. */
  readonly id: string
  /** The id the provider's own API takes. */
  readonly upstreamModel: string
  readonly noCache?: string | undefined
  readonly cacheRead?: string | undefined
  readonly cacheWrite?: string | undefined
  readonly output?: string | undefined
  readonly reasoning?: string | undefined
  readonly contextLength?: string | undefined
  readonly maxOutputTokens?: string | undefined
  readonly capabilities?: readonly string[] | undefined
  readonly deprecationDate?: string | undefined
}

const KEYS = [
  'id',
  'name',
  'display_name',
  'endpoint',
  'api_base',
  'protocol',
  'api_protocol',
  'models_url',
  'auto_sync',
  'auth',
  'status',
  'kind',
  'community',
  'billing',
  'weight',
  'rpm',
  'rate_limits',
  'payment',
  'homepage',
  'support',
  'contact',
  'doc_url',
  'models',
] as const

const MODEL_KEYS = [
  'id',
  'provider_model_id',
  'name',
  'api_protocol',
  'pricing',
  'capabilities',
  'context_length',
  'max_output_tokens',
  'rate_limits',
  'is_ready',
  'deprecation_date',
] as const

/** Writes the file of a provider that has none. */
export function createProviderFile(id: string, fields: ProviderFields): string {
  const protocols = fields.protocols ?? []
  const payment = paymentEntries(fields)
  return yamlFile([
    ['id', { text: id }],
    ...entry('name', fields.name ?? id),
    ...entry('endpoint', fields.endpoint),
    ...(protocols.length === 0 ? [] : [['protocol', wordsOf(protocols)] as const]),
    ...entry('models_url', fields.modelsUrl),
    ...plainEntry('status', fields.status),
    ...plainEntry('kind', fields.kind),
    ...plainEntry('weight', fields.weight),
    ...plainEntry('rpm', fields.rpm),
    ...(payment.length === 0 ? [] : [['payment', { block: payment }] as const]),
    ...entry('homepage', fields.homepage),
    ...entry('support', fields.support),
    ...entry('contact', fields.contact),
    ...entry('doc_url', fields.docUrl),
  ])
}

/** Changes only the fields that are given; everything else, comments included, keeps every character. */
export function updateProviderFile(text: string, fields: ProviderFields, file: string): string {
  return editYaml(
    text,
    (editor) => {
      const set = (key: string, value: YamlValue | undefined) => {
        if (value !== undefined) editor.set([key], value, KEYS)
      }
      set(editor.has(['id']) ? 'name' : 'display_name', asText(fields.name))
      set(editor.has(['api_base']) ? 'api_base' : 'endpoint', asText(fields.endpoint))
      setProtocols(editor, text, fields.protocols)
      setModelsUrl(editor, fields.modelsUrl)
      set('status', asPlain(fields.status))
      set('kind', asPlain(fields.kind))
      set('weight', asPlain(fields.weight))
      set('rpm', asPlain(fields.rpm))
      set('contact', asText(fields.contact))
      set('homepage', asText(fields.homepage))
      set('support', asText(fields.support))
      set('doc_url', asText(fields.docUrl))
      setPayment(editor, fields)
    },
    { file },
  )
}

/** Lists a model, or changes the given fields of one that is listed under the provider's own id. */
export function addListedModel(text: string, model: ListedModel, file: string): string {
  return editYaml(
    text,
    (editor) => {
      const index = listedModels(text).findIndex((each) => each.upstreamModel === model.upstreamModel)
      if (index === -1) editor.append(['models'], { block: modelEntries(model) }, KEYS)
      else updateModel(editor, ['models', index], model)
    },
    { file },
  )
}

/**
 * Takes a model off a provider, by its canonical id or the provider's own.
 *
 * @throws RouteplaneError `usage` when it is not listed, or the canonical id is listed more than once.
 */
export function removeListedModel(text: string, id: string, file: string): string {
  const models = listedModels(text)
  const own = models.flatMap((each, index) => (each.upstreamModel === id ? [index] : []))
  const canonical = models.flatMap((each, index) => (each.id === id ? [index] : []))
  const [found, ...more] = own.length > 0 ? own : canonical
  if (found === undefined) throw new RouteplaneError('usage', `${file} lists no model ${JSON.stringify(id.slice(0, 100))}`)
  if (more.length > 0) {
    const ids = [found, ...more].map((index) => models[index]?.upstreamModel)
    throw new RouteplaneError('usage', `${file} lists ${id} more than once: as ${ids.join(', ')}`, { hint: 'Name one of these.' })
  }
  return editYaml(text, (editor) => editor.removeItem(['models', found]), { file })
}

/** The ids of the models that a provider's file lists. */
export function listedModels(text: string): readonly Pick<ListedModel, 'id' | 'upstreamModel'>[] {
  const { value } = readRegistryYaml(text)
  const models: unknown = isRecord(value) ? value['models'] : undefined
  if (!Array.isArray(models)) return []
  return models.map((model: unknown) => {
    const { id, provider_model_id: own } = isRecord(model) ? model : {}
    const canonical = typeof id === 'string' ? id : ''
    return { id: canonical, upstreamModel: typeof own === 'string' ? own : canonical }
  })
}

function updateModel(editor: YamlEditor, path: readonly (string | number)[], model: ListedModel): void {
  editor.set([...path, 'id'], { text: model.id }, MODEL_KEYS)
  for (const [key, value] of modelEntries(model)) {
    if (key === 'pricing' || key === 'id' || key === 'provider_model_id') continue
    editor.set([...path, key], value, MODEL_KEYS)
  }
  for (const [side, prices] of priceEntries(model)) {
    for (const [key, price] of prices) {
      const parent = [...path, 'pricing']
      if (!editor.has(parent)) editor.set(parent, { block: [[side, { block: [[key, price]] }]] }, MODEL_KEYS)
      else editor.set([...parent, side, key], price, ['input_tokens', 'output_tokens', 'no_cache', 'cache_read', 'cache_write', 'text'])
    }
  }
}

function modelEntries(model: ListedModel): YamlEntries {
  const prices = priceEntries(model).map(([side, entries]) => [side, { block: entries }] as const)
  return [
    ['id', { text: model.id }],
    ...(model.upstreamModel === model.id ? [] : entry('provider_model_id', model.upstreamModel)),
    ...(prices.length === 0 ? [] : [['pricing', { block: prices }] as const]),
    ...(model.capabilities === undefined ? [] : [['capabilities', { list: model.capabilities }] as const]),
    ...plainEntry('context_length', model.contextLength),
    ...plainEntry('max_output_tokens', model.maxOutputTokens),
    ...plainEntry('deprecation_date', model.deprecationDate),
  ]
}

function priceEntries(model: ListedModel): readonly (readonly [side: string, prices: YamlEntries])[] {
  const input = [
    ...plainEntry('no_cache', model.noCache),
    ...plainEntry('cache_read', model.cacheRead),
    ...plainEntry('cache_write', model.cacheWrite),
  ]
  const output = [...plainEntry('text', model.output), ...plainEntry('reasoning', model.reasoning)]
  const sides: readonly (readonly [string, YamlEntries])[] = [
    ['input_tokens', input],
    ['output_tokens', output],
  ]
  return sides.filter(([, prices]) => prices.length > 0)
}

/** A list of rules by glob keeps its rules: only the one for everything else is changed. */
function setProtocols(editor: YamlEditor, text: string, protocols: readonly string[] | undefined): void {
  if (protocols === undefined || protocols.length === 0) return
  const { value } = readRegistryYaml(text)
  const rules: unknown = isRecord(value) ? value['api_protocol'] : undefined
  const key = rules === undefined || rules === null ? 'protocol' : 'api_protocol'
  if (!Array.isArray(rules) || !rules.some(isRecord)) return editor.set([key], wordsOf(protocols), KEYS)
  const everything = rules.findIndex((rule) => isRecord(rule) && '*' in rule)
  if (everything === -1) editor.append(['api_protocol'], { block: [['"*"', wordsOf(protocols)]] }, KEYS)
  else editor.set(['api_protocol', everything, '*'], wordsOf(protocols))
}

function setModelsUrl(editor: YamlEditor, url: string | undefined): void {
  if (url === undefined) return
  if (!editor.has(['auto_sync'])) return editor.set(['models_url'], { text: url }, KEYS)
  editor.set(['auto_sync', 'feed'], { plain: 'v1_models' })
  editor.set(['auto_sync', 'url'], { text: url })
}

function setPayment(editor: YamlEditor, fields: ProviderFields): void {
  if (!editor.has(['payment'])) {
    const block = paymentEntries(fields)
    if (block.length > 0) editor.set(['payment'], { block }, KEYS)
    return
  }
  const order = ['modes', 'x402_address', 'x402', 'mpp', 'invoice']
  if (fields.modes !== undefined) editor.set(['payment', 'modes'], { list: fields.modes }, order)
  if (fields.x402Address !== undefined) editor.set(['payment', 'x402_address'], { quoted: fields.x402Address }, order)
  if (fields.networks !== undefined) editor.set(['payment', 'x402', 'networks'], { list: fields.networks }, order)
}

function paymentEntries(fields: ProviderFields): YamlEntries {
  const { modes, x402Address, networks } = fields
  return [
    ...(modes === undefined ? [] : [['modes', { list: modes }] as const]),
    ...(x402Address === undefined ? [] : [['x402_address', { quoted: x402Address }] as const]),
    ...(networks === undefined ? [] : [['x402', { block: [['networks', { list: networks }]] }] as const]),
  ]
}

function wordsOf(words: readonly string[]): YamlValue {
  const [only = ''] = words
  return words.length === 1 ? { text: only } : { list: words }
}

function asText(text: string | undefined): YamlValue | undefined {
  return text === undefined ? undefined : { text }
}

/** What is no plain word or number after all is quoted, and left to the schema to refuse. */
function asPlain(text: string | undefined): YamlValue | undefined {
  if (text === undefined) return undefined
  return /^[A-Za-z0-9._-]+$/.test(text) ? { plain: text } : { quoted: text }
}

function entry(key: string, text: string | undefined): YamlEntries {
  return text === undefined ? [] : [[key, { text }]]
}

function plainEntry(key: string, text: string | undefined): YamlEntries {
  const value = asPlain(text)
  return value === undefined ? [] : [[key, value]]
}
