/** Edits of YAML: only what is meant changes, character for character. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../../src/errors.ts'
import { removeCanonicalModel, setCanonicalModel } from '../../../src/registry/canonical-edit.ts'
import { loadRegistryDirectory } from '../../../src/registry/directory.ts'
import {
  addListedModel,
  createProviderFile,
  listedModels,
  removeListedModel,
  updateProviderFile,
} from '../../../src/registry/provider-edit.ts'
import { commitRegistryFile } from '../../../src/registry/registry-commit.ts'
import { readRegistryFile, writeWhole } from '../../../src/registry/registry-files.ts'
import { commentsOf, editYaml, type YamlEditor } from '../../../src/registry/yaml-edit.ts'
import { yamlFile } from '../../../src/registry/yaml-value.ts'
import { readRegistryYaml } from '../../../src/registry/yaml.ts'
import { verifies } from '../../support/verifies.ts'

const edit = (text: string, change: (editor: YamlEditor) => void) => editYaml(text, change)

describe('editYaml', () => {
  it.each<[string, string, (editor: YamlEditor) => void, string]>([
    [
      'replaces a scalar and keeps what is beside it',
      'a:   1   # one\nb: 2\n',
      (e) => e.set(['a'], { plain: '3' }),
      'a:   3   # one\nb: 2\n',
    ],
    ['keeps quotes', "a: 'x' # y\n", (e) => e.set(['a'], { text: 'z' }), 'a: "z" # y\n'],
    ['quotes what another reader would take for a switch', 'a: x\n', (e) => e.set(['a'], { text: 'yes' }), 'a: "yes"\n'],
    ['quotes what would end the value', 'a: x\n', (e) => e.set(['a'], { text: 'b: c #d' }), 'a: "b: c #d"\n'],
    ['fills an empty key', 'a: # why\nb: 1\n', (e) => e.set(['a'], { plain: '1' }), 'a: 1 # why\nb: 1\n'],
    ['fills an empty key with a block', 'a: # why\nb: 1\n', (e) => e.set(['a', 'c'], { plain: '1' }), 'a: # why\n  c: 1\nb: 1\n'],
    ['puts a key at its place', 'a: 1\nc: 3 # c\n', (e) => e.set(['b'], { plain: '2' }, ['a', 'b', 'c']), 'a: 1\nb: 2\nc: 3 # c\n'],
    ['puts a key at the end', 'a: 1\n# end\n', (e) => e.set(['b'], { plain: '2' }), 'a: 1\nb: 2\n# end\n'],
    [
      'goes below a nested block',
      'a:\n    b: 1\n\n# c\nc: 1\n',
      (e) => e.set(['a', 'd'], { plain: '2' }),
      'a:\n    b: 1\n    d: 2\n\n# c\nc: 1\n',
    ],
    ['makes what is missing above', 'a: 1\n', (e) => e.set(['b', 'c', 'd'], { plain: '2' }), 'a: 1\nb:\n  c:\n    d: 2\n'],
    ['writes into brackets', 'a: {b: 1} # x\n', (e) => e.set(['a', 'c'], { plain: '2' }), 'a: {b: 1, c: 2} # x\n'],
    ['writes into empty brackets', 'a: {}\n', (e) => e.set(['a', 'c'], { plain: '2' }), 'a: { c: 2 }\n'],
    ['replaces a list in brackets', 'a: [x, y] # z\n', (e) => e.set(['a'], { list: ['q'] }), 'a: [q] # z\n'],
    ['replaces a list in lines', 'a: # z\n  - x\n  - y\nb: 1\n', (e) => e.set(['a'], { list: ['q'] }), 'a: [q] # z\nb: 1\n'],
    ['replaces text in lines', 'a: |\n  x\n  y\nb: 1\n', (e) => e.set(['a'], { text: 'q' }), 'a: q\nb: 1\n'],
    [
      'appends to a list in lines',
      'a:\n- x: 1 # x\n# tail\nb: 1\n',
      (e) =>
        e.append(['a'], {
          block: [
            ['x', { plain: '2' }],
            ['y', { plain: '3' }],
          ],
        }),
      'a:\n- x: 1 # x\n- x: 2\n  y: 3\n# tail\nb: 1\n',
    ],
    [
      'appends to a list in brackets',
      'a: [{ x: 1 }]\n',
      (e) => e.append(['a'], { block: [['x', { plain: '2' }]] }),
      'a: [{ x: 1 }, { x: 2 }]\n',
    ],
    [
      'appends to an empty list',
      'a: [] # none\nb: 1\n',
      (e) => e.append(['a'], { block: [['x', { plain: '2' }]] }),
      'a: # none\n  - x: 2\nb: 1\n',
    ],
    ['makes a list', 'b: 1\n', (e) => e.append(['a'], { plain: '2' }, ['b', 'a']), 'b: 1\na:\n  - 2\n'],
    ['makes a list inside brackets', '{b: 1}\n', (e) => e.append(['a'], { plain: '2' }), '{b: 1, a: [2]}\n'],
    [
      'removes an item with the comment above it',
      'a:\n  # x\n  - x # one\n\n  # y\n  - y\n',
      (e) => e.removeItem(['a', 0]),
      'a:\n\n  # y\n  - y\n',
    ],
    ['removes the last item', 'a:\n  - x\n# end\n', (e) => e.removeItem(['a', 0]), 'a: []\n# end\n'],
    ['removes from brackets', 'a: [x, y, z] # l\n', (e) => e.removeItem(['a', 1]), 'a: [x, z] # l\n'],
    ['removes the last in brackets', 'a: [x, y]\n', (e) => e.removeItem(['a', 1]), 'a: [x]\n'],
    ['removes the only one in brackets', 'a: [{x: 1}]\n', (e) => e.removeItem(['a', 0]), 'a: []\n'],
    ['keeps the line ends of the file', 'a: 1\r\nb: 2 # b\r\n', (e) => e.set(['c'], { plain: '3' }), 'a: 1\r\nb: 2 # b\r\nc: 3\r\n'],
    ['needs no line break at the end', 'a: 1', (e) => e.set(['b'], { plain: '3' }), 'a: 1\nb: 3'],
  ])('%s', (_, before, change, after) => {
    expect(edit(before, change)).toBe(after)
    readRegistryYaml(after)
  })

  it('is guarded like any manifest', () => {
    expect(() => edit(`a: ${'['.repeat(100_000)}`, () => {})).toThrow(expect.objectContaining({ code: 'manifest_invalid' }))
    expect(() => edit('a: &x 1\nb: *x\n', () => {})).toThrow(expect.objectContaining({ code: 'manifest_invalid' }))
    expect(() => edit('- a\n', () => {})).toThrow(expect.objectContaining({ code: 'manifest_invalid' }))
  })

  it('writes any text so that it is read back', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.constantFrom('a: x\nb: 1\n', "a: 'x'\n", '{a: x, b: [1]}\n', 'b: 1\n'),
        (text, file) => {
          const written = edit(file, (editor) => editor.set(['a'], { text }))
          expect(readRegistryYaml(written).value).toMatchObject({ a: text === '' ? '' : text })
        },
      ),
    )
  })

  it('writes a fresh file in lines', () => {
    expect(
      yamlFile([
        ['id', { text: 'a' }],
        [
          'p',
          {
            block: [
              ['m', { list: ['x', 'y z'] }],
              ['q', { quoted: '0x1' }],
            ],
          },
        ],
      ]),
    ).toBe('id: a\np:\n  m: [x, y z]\n  q: "0x1"\n')
  })
})

const MANIFEST = `# keep: head

id: acme # keep: id
name: "Acme" # keep: name

# keep: endpoint
endpoint: https://acme.dev/v1
status: staging

payment: # keep: payment
  modes: [byok] # keep: modes
models: # keep: models
  # of a/one
  - id: a/one # of a/one
    pricing: # of a/one
      input_tokens: { no_cache: 1 } # of a/one
      # of a/one
      output_tokens: { text: 2 }

  # of a/two
  - id: a/two
    provider_model_id: two
    # of a/two
    context_length: 1000
  # keep: tail
# keep: homepage
homepage: https://acme.dev # keep: home
# keep: end
`

const CANONICAL = `# keep: head
models: # keep: models
${['a/one', 'a/two', 'a/three', 'a/four']
  .map(
    (id) =>
      `  # of ${id}\n  - id: ${id} # of ${id}\n    name: Name\n    input_modalities: [text] # of ${id}\n    output_modalities: [text]\n`,
  )
  .join('')}  # keep: end
`

type Act = (directory: string) => Promise<void>

const text = async (directory: string, file: string) => (await readRegistryFile(directory, file)) ?? ''
const onProvider =
  (change: (text: string, file: string) => string): Act =>
  async (directory) => {
    const file = 'providers/acme.yaml'
    await commitRegistryFile(directory, file, change(await text(directory, file), file))
  }
const onCanonical =
  (change: (text: string) => string): Act =>
  async (directory) => {
    await commitRegistryFile(directory, 'canonical.yaml', change(await text(directory, 'canonical.yaml')))
  }

const ids = fc.constantFrom('a/one', 'a/two', 'a/three', 'a/four', 'a/five')
const price = fc.option(fc.constantFrom('0', '0.27', '15', 'nonsense'), { nil: undefined })
const acts = fc.oneof(
  fc
    .record({
      id: ids,
      own: fc.constantFrom(undefined, 'two', 'own-id'),
      noCache: price,
      output: price,
      capabilities: fc.constantFrom(undefined, ['tools'], []),
    })
    .map(({ id, own, ...more }) => onProvider((before, file) => addListedModel(before, { id, upstreamModel: own ?? id, ...more }, file))),
  fc
    .constantFrom('a/one', 'a/two', 'two', 'own-id', 'a/three')
    .map((id) => onProvider((before, file) => removeListedModel(before, id, file))),
  fc
    .record({
      name: fc.constantFrom(undefined, 'Acme AI: new', 'yes'),
      status: fc.constantFrom(undefined, 'active', 'staging', 'gone'),
      weight: fc.constantFrom(undefined, '0.5', '7'),
      rpm: fc.constantFrom(undefined, '60'),
      protocols: fc.constantFrom(undefined, ['openai'], ['anthropic', 'openai']),
      modelsUrl: fc.constantFrom(undefined, 'https://acme.dev/models'),
      modes: fc.constantFrom(undefined, ['byok'], ['x402', 'byok']),
      x402Address: fc.constantFrom(undefined, '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'),
      contact: fc.constantFrom(undefined, 'ops@acme.dev'),
    })
    .map((fields) => onProvider((before, file) => updateProviderFile(before, fields, file))),
  fc
    .record({
      id: ids,
      name: fc.constantFrom('One', 'Two: 2'),
      family: fc.constantFrom(undefined, 'A'),
      maxInputTokens: fc.constantFrom(undefined, '5', 'x'),
    })
    .map(({ id, ...fields }) =>
      onCanonical((before) => setCanonicalModel(before, id, { inputModalities: ['text'], outputModalities: ['text'], ...fields })),
    ),
  ids.map((id) => onCanonical((before) => removeCanonicalModel(before, id))),
)

const folder = mkdtempSync(join(tmpdir(), 'registry-law-'))
afterAll(() => rmSync(folder, { recursive: true }))

it('whatever is done to a registry, it stays valid and other comments stay', async () => {
  verifies('registry.manage.keeps_schema', 'listing.after.updates')
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(acts, { minLength: 1, maxLength: 12 }), async (sequence) => {
      const directory = join(folder, String(run++))
      await writeWhole(join(directory, 'canonical.yaml'), CANONICAL)
      await writeWhole(join(directory, 'providers/acme.yaml'), MANIFEST)
      const gone = { 'providers/acme.yaml': new Set<string>(), 'canonical.yaml': new Set<string>() }
      const start = { 'providers/acme.yaml': MANIFEST, 'canonical.yaml': CANONICAL }
      for (const act of sequence) {
        await act(directory).catch((error: unknown) => {
          if (!(error instanceof RouteplaneError)) throw error
        })
        expect((await loadRegistryDirectory(directory)).problems).toEqual([])
        const listed = new Set(listedModels(readFileSync(join(directory, 'providers/acme.yaml'), 'utf8')).map((each) => each.upstreamModel))
        if (!listed.has('a/one')) gone['providers/acme.yaml'].add('a/one')
        if (!listed.has('two')) gone['providers/acme.yaml'].add('a/two')
        const canonical = (await loadRegistryDirectory(directory)).canonical.models
        for (const id of ['a/one', 'a/two', 'a/three', 'a/four']) if (!canonical.has(id)) gone['canonical.yaml'].add(id)
      }
      for (const file of ['providers/acme.yaml', 'canonical.yaml'] as const) {
        const kept = commentsOf(start[file]).filter((comment) => ![...gone[file]].some((id) => comment === `# of ${id}`))
        expect(commentsOf(readFileSync(join(directory, file), 'utf8'))).toEqual(kept)
      }
    }),
    { numRuns: 25 },
  )
})

it('writes a new provider that can be read', async () => {
  const directory = join(folder, 'new')
  await writeWhole(join(directory, 'canonical.yaml'), CANONICAL)
  const fields = {
    name: 'New: "one"',
    endpoint: 'https://new.dev/v1',
    protocols: ['openai'],
    status: 'staging',
    modes: ['byok', 'x402'],
    x402Address: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
    networks: ['eip155:8453'],
    contact: 'a@new.dev',
  }
  expect(await commitRegistryFile(directory, 'providers/new.yaml', createProviderFile('new', fields))).toBe(true)
  const { definitions } = await loadRegistryDirectory(directory)
  expect(definitions[0]?.provider).toMatchObject({
    id: 'new',
    name: 'New: "one"',
    payment: { modes: ['byok', 'x402'], x402: { networks: ['eip155:8453'] } },
  })
})
