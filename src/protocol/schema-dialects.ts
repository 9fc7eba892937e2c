/** What each wire takes of JSON Schema: one row for each column of the rules. */

/**
 * `openai-strict` and `anthropic-strict` are the grammar-bound forms (strict tools, structured output); `google` is the
 * OpenAPI subset of `parameters` and `responseSchema`, `google-json` the JSON Schema of `parametersJsonSchema` and
 * `responseJsonSchema`. `openai` and `anthropic` take any schema and bind nothing.
 *
 * @see https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 * @see https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs
 * @see https://ai.google.dev/api/caching#Schema
 */
export type SchemaDialect = 'openai-strict' | 'openai' | 'anthropic-strict' | 'anthropic' | 'google' | 'google-json'

/** How schemas are rewritten for a wire that does not take all of them. */
export type Rewriting = {
  /** `keep`: `#` and `#/$defs/…` may stay; `inline`: every reference is written out, and recursion is refused. */
  readonly references: 'keep' | 'inline'
  /** Every object must say `additionalProperties: false`. */
  readonly closed: boolean
  /** Every property must be required; one that is not may be null instead. */
  readonly requireAll: boolean
  readonly oneOf: 'keep' | 'anyOf'
  /** `anyOf` may stand alone only, with nothing beside it. */
  readonly loneAnyOf: boolean
  readonly typeArrays: 'keep' | 'anyOf' | 'nullable'
  /** Values of `enum` may only be strings, and `const` does not exist. */
  readonly stringEnums: boolean
  /** What becomes of a schema that takes any value. */
  readonly any: 'keep' | 'refuse' | 'scalars'
  /** A root that is no object is wrapped into one, for outputs. */
  readonly wrapRoot: boolean
  /** Keywords taken as they are, besides those that hold schemas. */
  readonly keeps: ReadonlySet<string>
  /** The largest `minItems` that is taken, for a wire that does not take all. */
  readonly minItemsUpTo?: number
  /** Values of `format` that are taken; `all` for a wire that takes or ignores any. */
  readonly formats: ReadonlySet<string> | 'all'
  /** Tuples, and additional properties with a schema. */
  readonly openShapes: boolean
  /** Keywords without which the schema would say something else, and which no sentence can stand in for. */
  readonly refuses: ReadonlySet<string>
}

const shape = ['type', 'title', 'description', 'enum', 'required']
const numberBounds = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']
const stringFormats = ['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid']
const none: ReadonlySet<string> = new Set()

/** `undefined` means that schemas go as they are, apart from the root of a tool. */
export const rewritings: Readonly<Record<SchemaDialect, Rewriting | undefined>> = {
  openai: undefined,
  anthropic: undefined,
  'openai-strict': {
    references: 'keep',
    closed: true,
    requireAll: true,
    oneOf: 'anyOf',
    loneAnyOf: false,
    typeArrays: 'keep',
    stringEnums: false,
    any: 'refuse',
    wrapRoot: true,
    keeps: new Set([...shape, 'const', 'pattern', 'minItems', 'maxItems', ...numberBounds]),
    formats: new Set(stringFormats),
    openShapes: false,
    refuses: new Set(['not', 'if', 'then', 'else', 'patternProperties', 'propertyNames']),
  },
  'anthropic-strict': {
    references: 'keep',
    closed: true,
    requireAll: false,
    oneOf: 'anyOf',
    loneAnyOf: false,
    typeArrays: 'anyOf',
    stringEnums: false,
    any: 'refuse',
    wrapRoot: true,
    minItemsUpTo: 1,
    keeps: new Set([...shape, 'const', 'default']),
    formats: new Set([...stringFormats, 'uri']),
    openShapes: false,
    refuses: none,
  },
  google: {
    references: 'inline',
    closed: false,
    requireAll: false,
    oneOf: 'anyOf',
    loneAnyOf: true,
    typeArrays: 'nullable',
    stringEnums: true,
    any: 'scalars',
    wrapRoot: false,
    keeps: new Set([
      ...shape,
      'nullable',
      'default',
      'example',
      'propertyOrdering',
      'pattern',
      'minimum',
      'maximum',
      'minLength',
      'maxLength',
      'minItems',
      'maxItems',
      'minProperties',
      'maxProperties',
    ]),
    formats: new Set(['enum', 'date-time', 'float', 'double', 'int32', 'int64']),
    openShapes: false,
    refuses: none,
  },
  'google-json': {
    references: 'keep',
    closed: false,
    requireAll: false,
    oneOf: 'keep',
    loneAnyOf: false,
    typeArrays: 'keep',
    stringEnums: false,
    any: 'keep',
    wrapRoot: false,
    keeps: new Set([
      ...shape,
      'const',
      'default',
      'examples',
      'pattern',
      'minLength',
      'maxLength',
      'minItems',
      'maxItems',
      'uniqueItems',
      'minProperties',
      'maxProperties',
      ...numberBounds,
    ]),
    formats: 'all',
    openShapes: true,
    refuses: none,
  },
}

/** Keywords that hold no schema of ours and ask nothing of a value: they go without a word. */
export const silentKeywords: ReadonlySet<string> = new Set(['$schema', '$id', '$comment', '$anchor', '$defs', 'definitions'])

/** Keywords that tell people or models something and ask nothing of a value. */
export const annotations: ReadonlySet<string> = new Set([
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'propertyOrdering',
])

/** Keywords of JSON Schema that ask something of a value, and which type of value they speak of. */
export const assertions: ReadonlyMap<string, 'string' | 'number' | 'array' | 'object' | 'any'> = new Map([
  ...['minLength', 'maxLength', 'pattern', 'format', 'contentEncoding', 'contentMediaType', 'contentSchema'].map(
    (name) => [name, 'string'] as const,
  ),
  ...numberBounds.map((name) => [name, 'number'] as const),
  ...['items', 'prefixItems', 'additionalItems', 'contains', 'minContains', 'maxContains'].map((name) => [name, 'array'] as const),
  ...['minItems', 'maxItems', 'uniqueItems', 'unevaluatedItems'].map((name) => [name, 'array'] as const),
  ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames'].map((name) => [name, 'object'] as const),
  ...['minProperties', 'maxProperties', 'dependentRequired', 'dependentSchemas', 'dependencies'].map((name) => [name, 'object'] as const),
  ['unevaluatedProperties', 'object'],
  ...['type', 'enum', 'const', 'not', 'if', 'then', 'else', 'anyOf', 'oneOf', 'allOf', '$ref', '$dynamicRef'].map(
    (name) => [name, 'any'] as const,
  ),
])
