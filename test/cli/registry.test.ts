/** `routeplane registry`: what each command prints, writes and refuses. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startUpstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'
import { createWorld, type World, type WorldOptions } from './fake-context.ts'

const CANONICAL = `# The vocabulary.
models:
  - id: openai/gpt-4o # the usual
    name: "OpenAI: GPT-4o"
    input_modalities: [text, image]
    output_modalities: [text]
    max_input_tokens: 128000
    max_output_tokens: 16384
  - id: acme/one
    name: One
    input_modalities: text
    output_modalities: text
`

const ACME = `# Acme, who make One.
id: acme
name: Acme AI
endpoint: https://api.acme.dev/v1 # production
protocol: openai
payment: { modes: [byok] }
models:
  # flagship
  - id: acme/one
    provider_model_id: one-2026
    pricing:
      input_tokens: { no_cache: 0.5 }
      output_tokens: { text: 2 }
`

function createRegistry(options: WorldOptions = {}, files: Readonly<Record<string, string>> = {}): World & { read(file: string): string } {
  const world = createWorld(options)
  mkdirSync(join(world.directory, 'providers'))
  for (const [file, text] of Object.entries({ 'canonical.yaml': CANONICAL, 'providers/acme.yaml': ACME, ...files }))
    writeFileSync(join(world.directory, file), text)
  return { ...world, read: (file) => readFileSync(join(world.directory, file), 'utf8') }
}

describe('registry validate', () => {
  it('says what is there when all is well', async () => {
    verifies('registry.validate.schema', 'registry.validate.same_script', 'listing.process.review')
    const { code, out } = await createRegistry().run('registry', 'validate')
    expect([code, out]).toEqual([0, 'Valid: 1 provider, 1 listed model, 2 canonical models.\n'])
  })

  it('lists every problem with its place and ends with 1', async () => {
    verifies('registry.validate.canonical', 'registry.validate.filename', 'registry.validate.active_models', 'register.flow.schema_check')
    const world = createRegistry(
      {},
      {
        'providers/b.yaml': 'id: c\nname: C\nendpoint: https://c.dev\nmodels: [{ id: acme/two }]\nweigth: 1\n',
        'providers/con.yaml': 'id: con\nname: Con\nendpoint: http://169.254.169.254\n',
        'providers/d.yaml': 'id: d\nname: D\nendpoint: https://d.dev\n',
        'providers/e.yaml': 'id: f\nname: E\nendpoint: https://e.dev\nmodels: [{ id: acme/two }]\n',
        'providers/g.yaml': 'id: g\nname: G\nendpoint: https://g.dev\nmodels: [{ id: acme/two }]\n',
      },
    )
    const { code, out } = await world.run('registry', 'validate', '.')
    expect(code).toBe(1)
    expect(out).toMatchInlineSnapshot(`
      "5 problems; good are 1 provider, 1 listed model, 2 canonical models.
        providers/b.yaml:5:1: weigth: unknown key "weigth"; did you mean weight? [unknown_key]
        providers/con.yaml:1:1: id: "con" is a device name on Windows and cannot be a file name there [invalid_id]
        providers/d.yaml: an active provider lists at least one model, or has a models_url [no_models]
        providers/e.yaml:1:1: id: the id "f" is not the file's name "e" [id_mismatch]
        providers/g.yaml: models[0].id: acme/two is not in canonical.yaml [unknown_canonical]
      "
    `)
    const json = JSON.parse((await world.run('registry', 'validate', '--format', 'json')).out) as { valid: boolean; problems: unknown[] }
    expect([json.valid, json.problems.length]).toEqual([false, 5])
  })

  it('asks the providers themselves when told to, without a key', async () => {
    verifies('register.flow.reachability')
    const upstream = await startUpstream(({ path }) =>
      path === '/good/models'
        ? { json: { data: [{ id: 'x/y', pricing: { prompt: '0.000001', completion: '0.000001' } }, { id: 'free' }] } }
        : { status: path.startsWith('/good') ? 404 : 503, json: {} },
    )
    const manifest = (id: string) => `id: ${id}\nname: ${id}\nendpoint: ${upstream.url}/${id}\nmodels_url: ${upstream.url}/${id}/models\n`
    const world = createRegistry(
      { variables: { GOOD_API_KEY: 'secret' } },
      { 'providers/good.yaml': manifest('good'), 'providers/bad.yaml': manifest('bad') },
    )
    writeFileSync(join(world.directory, 'providers/acme.yaml'), ACME.replace('name:', 'status: suspended\nname:'))
    const { code, out } = await world.run('registry', 'validate', '--reachability', '--allow-loopback')
    expect([code, out.replaceAll(upstream.url, 'http://host')]).toEqual([1, expect.any(String)])
    expect(out.replaceAll(upstream.url, 'http://host')).toMatchInlineSnapshot(`
      "Valid: 3 providers, 1 listed model, 2 canonical models.

      PROVIDER  WHAT        VERDICT  EVIDENCE                                                                      URL
      bad       endpoint    FAILS    status 503                                                                    http://host/bad
      bad       models_url  FAILS    status 503                                                                    http://host/bad/models
      good      endpoint    answers  status 404                                                                    http://host/good
      good      models_url  answers  1 models, 1 rejected (free: the prices are missing, and unknown is not free)  http://host/good/models
      "
    `)
    expect(upstream.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    await upstream.close()
  })
})

describe('registry list and show', () => {
  it('prints one line for each provider', async () => {
    verifies('registry.manage.list')
    const world = createRegistry({}, { 'providers/broken.yaml': 'id: broken\n' })
    expect((await world.run('registry', 'list')).out).toMatchInlineSnapshot(`
      "PROVIDER  STATUS  SPEAKS            PAID BY  MODELS  ENDPOINT
      acme      active  chat_completions  byok     1       https://api.acme.dev/v1

      1 file is left out: see "routeplane registry validate".
      "
    `)
    expect(JSON.parse((await world.run('registry', 'list', '--format', 'json')).out)).toMatchObject({
      providers: [{ id: 'acme', models: ['acme/one'] }],
      files_with_problems: 1,
    })
  })

  it('prints one file as it is', async () => {
    verifies('registry.manage.show')
    const world = createRegistry()
    expect(await world.run('registry', 'show', 'acme')).toMatchObject({ code: 0, out: ACME })
    expect(JSON.parse((await world.run('registry', 'show', 'acme', '--format', 'json')).out)).toMatchObject({
      file: 'providers/acme.yaml',
      manifest: { id: 'acme' },
    })
    expect(await world.run('registry', 'show', 'acne')).toMatchObject({
      code: 2,
      error: expect.stringContaining('Did you mean acme?') as string,
    })
    expect(await world.run('registry', 'show', '../../etc/passwd')).toMatchObject({
      code: 2,
      error: expect.stringContaining('must begin with a letter') as string,
    })
  })
})

describe('registry add', () => {
  it('changes only the given fields of a provider that is there', async () => {
    verifies('registry.manage.add')
    const world = createRegistry()
    const args = ['--weight', '0.5', '--rpm', '60', '--contact', 'ops@acme.dev', '--status', 'active']
    expect(await world.run('registry', 'add', 'acme', ...args)).toMatchObject({ code: 0, out: 'Wrote providers/acme.yaml\n', error: '' })
    expect(world.read('providers/acme.yaml')).toBe(
      ACME.replace('protocol: openai\n', 'protocol: openai\nstatus: active\nweight: 0.5\nrpm: 60\n').replace(
        'payment: { modes: [byok] }\n',
        'payment: { modes: [byok] }\ncontact: ops@acme.dev\n',
      ),
    )
    expect(await world.run('registry', 'add', 'acme', ...args)).toMatchObject({ code: 0, out: 'providers/acme.yaml is as it was\n' })
  })

  it('writes nothing that would not be valid', async () => {
    verifies('registry.manage.keeps_schema')
    const world = createRegistry()
    const refused: (readonly string[])[] = [
      ['--weight', '7'],
      ['--status', 'open'],
      ['--endpoint', 'http://10.0.0.1'],
      ['--modes', 'x402'],
      ['--modes', 'x402', '--x402-address', '0x209693bC6afc0C5328bA36FaF03C514EF312287C'],
    ]
    for (const args of refused) expect(await world.run('registry', 'add', 'acme', ...args)).toMatchObject({ code: 2, out: '' })
    expect(world.read('providers/acme.yaml')).toBe(ACME)
  })

  it('makes a new one, staged until it has models', async () => {
    verifies('listing.process.registration', 'listing.process.staging', 'listing.process.launch')
    const world = createRegistry()
    expect(
      await world.run(
        'registry',
        'add',
        'zeta',
        '--endpoint',
        'https://api.zeta.dev/v1',
        '--modes',
        'byok,x402',
        '--x402-address',
        '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
      ),
    ).toMatchObject({ code: 0 })
    expect(world.read('providers/zeta.yaml')).toMatchInlineSnapshot(`
      "id: zeta
      name: zeta
      endpoint: https://api.zeta.dev/v1
      protocol: openai
      status: staging
      payment:
        modes: [byok, x402]
        x402_address: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
      "
    `)
    expect(await world.run('registry', 'add', 'zeta', '--status', 'active')).toMatchObject({
      code: 2,
      error: expect.stringContaining('at least one model') as string,
    })
    expect(await world.run('registry', 'add-model', 'zeta', 'acme/one')).toMatchObject({ code: 0 })
    expect(await world.run('registry', 'add', 'zeta', '--status', 'active')).toMatchObject({ code: 0 })
  })

  it('asks a person for what is missing, and a script for nothing', async () => {
    verifies('registry.manage.prompts', 'registry.manage.scripted')
    const script = createRegistry()
    expect(await script.run('registry', 'add', 'zeta', '--protocol', 'openai')).toMatchObject({
      code: 2,
      out: '',
      error: expect.stringContaining('--endpoint is missing') as string,
    })
    expect(existsSync(join(script.directory, 'providers/zeta.yaml'))).toBe(false)
    const person = createRegistry({ answers: ['https://api.zeta.dev/v1', 'Zeta: AI', '', 'https://api.zeta.dev/v1/models', ''] })
    const { code, error } = await person.run('registry', 'add', 'zeta')
    expect([code, error.split('\n').length]).toEqual([0, 6])
    expect(person.read('providers/zeta.yaml')).toBe(
      'id: zeta\nname: "Zeta: AI"\nendpoint: https://api.zeta.dev/v1\nprotocol: openai\nmodels_url: https://api.zeta.dev/v1/models\n',
    )
  })
})

describe('registry new', () => {
  it('writes a manifest by questions, also where there is no registry yet, and never over another', async () => {
    const answers = [
      'zeta',
      'https://api.zeta.dev/v1',
      '',
      'openai',
      '',
      'byok,x402',
      '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
      'https://zeta.dev',
      '',
      '',
      'ops@zeta.dev',
    ]
    const world = createWorld({ answers })
    const { code, out } = await world.run('registry', 'new')
    expect(code).toBe(0)
    expect(out).toMatchInlineSnapshot(`
      "Wrote providers/zeta.yaml

      Next:
        routeplane registry add-model zeta <maker/name> <its own id>
        export ZETA_API_KEY=<your key>
        routeplane registry check zeta
        and in routeplane.yaml: registry: { path: . }
      "
    `)
    expect(readFileSync(join(world.directory, 'providers/zeta.yaml'), 'utf8')).toMatchInlineSnapshot(`
      "id: zeta
      name: zeta
      endpoint: https://api.zeta.dev/v1
      protocol: openai
      status: staging
      payment:
        modes: [byok, x402]
        x402_address: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
      homepage: https://zeta.dev
      contact: ops@zeta.dev
      "
    `)
    expect(await world.run('registry', 'new')).toMatchObject({ code: 2, error: expect.stringContaining('is there already') as string })
    expect(await createWorld().run('registry', 'new')).toMatchObject({
      code: 2,
      error: expect.stringContaining('--id is missing') as string,
    })
  })
})

describe('registry add-model, remove-model and delete', () => {
  it('attaches a model with its prices, changes one, takes it off', async () => {
    verifies('registry.manage.add_model', 'registry.manage.remove_model')
    const world = createRegistry()
    const add = [
      'registry',
      'add-model',
      'acme',
      'openai/gpt-4o',
      'gpt-4o-2026',
      '--no-cache',
      '0.27',
      '--cache-read',
      '0.054',
      '--output',
      '0.41',
    ]
    expect(await world.run(...add)).toMatchObject({ code: 0 })
    const block = `  - id: openai/gpt-4o
    provider_model_id: gpt-4o-2026
    pricing:
      input_tokens:
        no_cache: 0.27
        cache_read: 0.054
      output_tokens:
        text: 0.41
`
    expect(world.read('providers/acme.yaml')).toBe(ACME + block)
    expect(
      await world.run(
        'registry',
        'add-model',
        'acme',
        'openai/gpt-4o',
        'gpt-4o-2026',
        '--output',
        '0.5',
        '--capabilities',
        'tools,json_mode',
      ),
    ).toMatchObject({ code: 0 })
    expect(world.read('providers/acme.yaml')).toBe(`${ACME}${block.replace('0.41', '0.5')}    capabilities: [tools, json_mode]\n`)
    expect(await world.run('registry', 'remove-model', 'acme', 'openai/gpt-4o')).toMatchObject({ code: 0 })
    expect(world.read('providers/acme.yaml')).toBe(ACME)
    expect(await world.run('registry', 'remove-model', 'acme', 'one-2026')).toMatchObject({
      code: 2,
      error: expect.stringContaining('at least one model') as string,
    })
  })

  it('refuses a model that the vocabulary does not have, and a price that is none', async () => {
    const world = createRegistry()
    expect(await world.run('registry', 'add-model', 'acme', 'acme/two')).toMatchObject({
      code: 2,
      error: expect.stringContaining('acme/two is not in canonical.yaml') as string,
    })
    expect(await world.run('registry', 'add-model', 'acme', 'openai/gpt-4o', '--no-cache', 'free')).toMatchObject({ code: 2 })
    expect(await world.run('registry', 'add-model', 'acme', 'openai/gpt-4o', '--no-cache', '1')).toMatchObject({
      code: 2,
      error: expect.stringContaining('price of output') as string,
    })
    expect(world.read('providers/acme.yaml')).toBe(ACME)
  })

  it('deletes a provider', async () => {
    verifies('registry.manage.delete', 'register.score.delisted')
    const world = createRegistry()
    expect(await world.run('registry', 'delete', 'acme')).toMatchObject({ code: 0, out: 'Deleted providers/acme.yaml\n' })
    expect(existsSync(join(world.directory, 'providers/acme.yaml'))).toBe(false)
    expect(await world.run('registry', 'delete', 'acme')).toMatchObject({ code: 2 })
  })
})

describe('registry canonical', () => {
  it('lists the vocabulary', async () => {
    verifies('registry.manage.canonical_list', 'registry.layout.canonical')
    expect((await createRegistry().run('registry', 'canonical', 'list')).out).toMatchInlineSnapshot(`
      "MODEL          NAME            TAKES        MAKES  INPUT    OUTPUT
      openai/gpt-4o  OpenAI: GPT-4o  text, image  text   128000   16384
      acme/one       One             text         text   unknown  unknown
      "
    `)
  })

  it('adds a model, changes one, and makes the file where there is none', async () => {
    verifies('registry.manage.canonical_add')
    const world = createRegistry()
    const args = [
      'registry',
      'canonical',
      'add',
      'acme/two',
      '--name',
      'Acme: Two',
      '--input-modalities',
      'text,image',
      '--output-modalities',
      'text',
      '--max-input-tokens',
      '128000',
    ]
    expect(await world.run(...args)).toMatchObject({ code: 0 })
    expect(world.read('canonical.yaml')).toBe(
      `${CANONICAL}  - id: acme/two\n    name: "Acme: Two"\n    input_modalities: [text, image]\n    output_modalities: [text]\n    max_input_tokens: 128000\n`,
    )
    expect(await world.run('registry', 'canonical', 'add', 'openai/gpt-4o', '--family', 'GPT')).toMatchObject({ code: 0 })
    expect(world.read('canonical.yaml')).toContain('    max_output_tokens: 16384\n    family: GPT\n  - id: acme/one')
    expect(await world.run('registry', 'canonical', 'add', 'acme/three', '--name', 'Three')).toMatchObject({
      code: 2,
      error: expect.stringContaining('--input-modalities is missing') as string,
    })
    const empty = createWorld()
    expect(await empty.run(...args, '--dir', '.')).toMatchObject({ code: 0, error: '' })
    expect(readFileSync(join(empty.directory, 'canonical.yaml'), 'utf8')).toContain('models:\n  - id: acme/two\n    name:')
  })

  it('takes a model out only when nobody lists it', async () => {
    verifies('registry.manage.canonical_remove')
    const world = createRegistry()
    expect(await world.run('registry', 'canonical', 'remove', 'acme/one')).toMatchObject({
      code: 2,
      error: expect.stringContaining('is listed by acme') as string,
    })
    expect(await world.run('registry', 'canonical', 'remove', 'openai/gpt-4o')).toMatchObject({ code: 0 })
    expect(world.read('canonical.yaml')).toBe(
      '# The vocabulary.\nmodels:\n  - id: acme/one\n    name: One\n    input_modalities: text\n    output_modalities: text\n',
    )
  })

  it('is a group with words of its own', async () => {
    const world = createRegistry()
    expect((await world.run('help', 'registry', 'canonical')).out).toContain('registry canonical remove')
    expect(await world.run('registry', 'canonical', 'remvoe', 'x/y')).toMatchObject({
      code: 2,
      error: expect.stringContaining('registry canonical remove') as string,
    })
    expect(await world.run('registry')).toMatchObject({
      code: 2,
      error: expect.stringContaining('"registry" needs a second word') as string,
    })
  })
})

describe('registry build', () => {
  it('writes the same bytes from the same files, and counts changes', async () => {
    const world = createRegistry()
    expect(await world.run('registry', 'build')).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 provider, 2 models, serial 1') as string,
    })
    const first = [world.read('dist/providers.json'), world.read('dist/models.json')]
    expect(first[0]).toMatchInlineSnapshot(`
      "{
        "version": 1,
        "serial": 1,
        "digest": "sha256:eb4c0160f681da0df82c4bff837772a8cbef456731c5ad67bb3d26dac02d5d24",
        "providers": [
          {
            "endpoint": "https://api.acme.dev/v1",
            "id": "acme",
            "models": [
              {
                "id": "acme/one",
                "pricing": {
                  "input_tokens": {
                    "no_cache": "0.5"
                  },
                  "output_tokens": {
                    "text": "2"
                  }
                },
                "provider_model_id": "one-2026"
              }
            ],
            "name": "Acme AI",
            "payment": {
              "modes": [
                "byok"
              ]
            },
            "protocol": "openai"
          }
        ]
      }
      "
    `)
    expect(JSON.parse(first[1] ?? '')).toMatchObject({
      models: [
        { id: 'acme/one', providers: ['acme'] },
        { id: 'openai/gpt-4o', providers: [] },
      ],
    })
    expect(await world.run('registry', 'build')).toMatchObject({ out: expect.stringContaining('serial 1') as string })
    expect([world.read('dist/providers.json'), world.read('dist/models.json')]).toEqual(first)
    await world.run('registry', 'add', 'acme', '--weight', '0.5')
    expect(await world.run('registry', 'build', '--format', 'json')).toMatchObject({
      out: expect.stringContaining('"serial": 2') as string,
    })
    expect(world.read('dist/providers.json')).not.toBe(first[0])
  })

  it('builds nothing out of half a registry', async () => {
    const world = createRegistry({}, { 'providers/broken.yaml': 'id: broken\n' })
    expect(await world.run('registry', 'build')).toMatchObject({ code: 2 })
    expect(existsSync(join(world.directory, 'dist'))).toBe(false)
  })
})

it('says where a registry is looked for when there is none to change', async () => {
  const world = createWorld()
  expect(await world.run('registry', 'delete', 'acme')).toMatchObject({
    code: 2,
    error: expect.stringContaining('registry.path') as string,
  })
  expect(await world.run('registry', 'list', '--dir', 'nowhere')).toMatchObject({
    code: 2,
    error: expect.stringContaining('there is no folder') as string,
  })
})
