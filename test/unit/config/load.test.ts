/** Reading a config: defaults, every refusal with its place, and what the environment may and may not do. */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Config, ConfiguredPreset } from '../../../src/config/config.ts'
import { createEnvironment } from '../../../src/config/environment.ts'
import { configCandidates, configFrom, zeroConfig } from '../../../src/config/load.ts'
import { parseConfig } from '../../../src/config/parse.ts'
import { RouteplaneError } from '../../../src/errors.ts'
import { formatUsd, parseUsd } from '../../../src/money.ts'
import type { Preset } from '../../../src/routeplane.ts'
import { verifies } from '../../support/verifies.ts'

const KEY = '0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'
const environment = createEnvironment(
  { ACME_KEY: 'sk-acme-1', OUTER: '${ACME_KEY}', MULTILINE: 'x\nskip_auth: true', EMPTY: '', OPENAI_API_KEY: 'sk-openai-1', WALLET: KEY },
  '/homes/ada',
  '/srv/project',
)
const parse = (text: string) => parseConfig(text, { file: '/etc/rp/routeplane.yaml', environment })
const provider = (fields: string) => parse(`providers: {acme: {api_base: "https://api.acme.test/v1", ${fields}}}`).providers[0]

type Refused = {
  code: string
  message: string
  problems: { path: string; code: string; line?: number; column?: number }[]
  hint?: string | undefined
}
function refused(text: string): Refused {
  try {
    parse(text)
  } catch (error) {
    if (!(error instanceof RouteplaneError)) throw error
    return {
      code: error.code,
      message: error.message,
      hint: error.hint,
      problems: (error.details['problems'] as Refused['problems']) ?? [],
    }
  }
  throw new Error('the config was accepted')
}

describe('defaults', () => {
  it('an empty file is a config with caps', () => {
    verifies('card.gateway.port', 'card.wallet.testnet', 'sources.serve.address')
    const { environment: _, ...config } = parse('')
    expect(config).toMatchInlineSnapshot(`
      {
        "budget": {
          "keys": {},
          "perDayUsd": 5000000000000000000n,
          "perRequestUsd": 500000000000000000n,
          "providers": {},
        },
        "ledger": {
          "path": "/homes/ada/.routeplane/ledger.db",
        },
        "listen": {
          "host": "127.0.0.1",
          "port": 4356,
        },
        "log": {
          "level": "info",
        },
        "managed": {
          "accounts": Map {},
          "models": Map {},
          "standard": 750n,
        },
        "payment": {
          "accounts": {},
          "channels": {
            "maxDepositUsd": 500000000000000000n,
            "maxWithdrawDelay": 86400,
            "perSeller": 4,
          },
          "leaves": "exact",
          "onUnknown": "fail",
          "preemptive": "when_alone",
          "prefer": [
            "byok",
            "x402",
            "mpp",
            "invoice",
          ],
        },
        "presets": [],
        "providers": [],
        "registry": {
          "hideDeprecated": true,
          "pollSeconds": 60,
        },
        "routing": {
          "clampToBudget": false,
          "explorationShare": 0.02,
          "maxAttempts": 6,
          "retrySchema": false,
          "sticky": false,
        },
        "skipAuth": false,
        "source": "/etc/rp/routeplane.yaml",
        "stateDirectory": "/homes/ada/.routeplane",
        "upstream": {
          "allowLoopback": false,
          "timeouts": {},
        },
        "virtualModels": [],
        "wallet": {
          "keystore": "/homes/ada/.routeplane/wallet.json",
          "network": "testnet",
          "rpc": {},
          "solana": {
            "keystore": "/homes/ada/.routeplane/solana-wallet.json",
          },
        },
      }
    `)
  })

  it('a block with nothing in it counts as left out', () => {
    expect(parse('budget:\nwallet:\n  rpc:\n').budget).toEqual(parse('').budget)
  })

  it('no file: each known provider whose key is there, and nothing else', () => {
    const config = zeroConfig(environment)
    expect(config.source).toBeUndefined()
    expect(config.providers.map(({ provider, apiKey }) => [provider.id, provider.baseUrl, apiKey?.reveal()])).toEqual([
      ['openai', 'https://api.openai.com/v1', 'sk-openai-1'],
    ])
    const all = createEnvironment(
      { OPENAI_API_KEY: 'a', ANTHROPIC_API_KEY: 'b', GEMINI_API_KEY: 'c', OPENROUTER_API_KEY: 'd', MISTRAL_API_KEY: 'e' },
      '/h',
      '/w',
    )
    expect(zeroConfig(all).providers.map((each) => each.provider.id)).toEqual(['openai', 'anthropic', 'gemini', 'openrouter'])
    expect(zeroConfig(createEnvironment({}, '/h', '/w')).providers).toEqual([])
  })

  it('looks beside the user, then in the state directory, then at home', () => {
    const own = createEnvironment({ ROUTEPLANE_HOME: '/var/rp' }, '/homes/ada', '/srv/project')
    expect(configCandidates(own)).toEqual([
      '/srv/project/routeplane.yaml',
      '/var/rp/routeplane.yaml',
      '/homes/ada/.routeplane/routeplane.yaml',
    ])
    expect(configCandidates(environment)).toEqual(['/srv/project/routeplane.yaml', '/homes/ada/.routeplane/routeplane.yaml'])
    expect(parseConfig('', { environment: own })).toMatchObject({ stateDirectory: '/var/rp', ledger: { path: '/var/rp/ledger.db' } })
  })
})

describe('refusals', () => {
  it('say what quotes would mend, and nothing of what follows from them missing', () => {
    const text = 'providers:\n  a: { api_key: ${ACME_KEY}, models: [{ id: maker/m }] }\n'
    expect(() => parseConfig(text, { environment })).toThrow('config:2:18: within { } and [ ], "${NAME}" stands between quotes')
    expect(() => parseConfig(text, { environment })).not.toThrow('more)')
  })

  it.each([
    ['text that is not YAML', 'a: [', 'config_invalid', 'syntax', 1],
    ['a variable without quotes among braces', 'wallet:\n  signer: { url: ${URL}, address: x }\n', 'config_invalid', 'syntax', 2],
    ['a list on top', '- a', 'config_invalid', 'invalid', 1],
    ['text on top', 'hello', 'config_invalid', 'invalid', 1],
    ['a mistyped key', 'listen:\n  prot: 1\n', 'config_invalid', 'unknown_key', 2],
    ['a variable that is not set', 'auth_token: ${NOPE}', 'env_not_set', 'env_not_set', 1],
    ['a variable that is empty', 'auth_token: ${EMPTY}', 'env_not_set', 'env_not_set', 1],
    ['a key variable that is not set', 'wallet:\n  key_env: NOPE\n', 'env_not_set', 'env_not_set', 2],
    ['an unknown shell operator', 'auth_token: "${ACME_KEY:?x}"', 'env_syntax', 'env_syntax', 1],
    ['a variable in a key', '${HOME}: x', 'env_syntax', 'env_syntax', 1],
    ['a variable where it would be shown', 'providers:\n  a:\n    name: ${ACME_KEY}\n', 'config_invalid', 'env_not_allowed_here', 3],
    ['a variable in an amount', 'budget: {per_day_usd: "${ACME_KEY}"}', 'config_invalid', 'env_not_allowed_here', 1],
    ['a port out of range', 'listen: 127.0.0.1:99999', 'config_invalid', 'invalid', 1],
    ['a port in words', 'listen: {port: http}', 'config_invalid', 'invalid', 1],
    ['yes for true', 'skip_auth: yes', 'config_invalid', 'invalid', 1],
    ['an amount in words', 'budget: {per_day_usd: five}', 'invalid_amount', 'invalid_amount', 1],
    ['an amount with an exponent', 'budget: {per_day_usd: 1e9}', 'invalid_amount', 'invalid_amount', 1],
    ['a negative amount', 'budget: {per_day_usd: "-5"}', 'invalid_amount', 'invalid_amount', 1],
    ['an amount with a currency', 'budget: {per_day_usd: $5}', 'invalid_amount', 'invalid_amount', 1],
    ['an amount with 19 places', 'budget: {per_day_usd: 0.1234567890123456789}', 'invalid_amount', 'invalid_amount', 1],
    ['a word for no cap', 'budget: {per_day_usd: unlimited}', 'invalid_amount', 'invalid_amount', 1],
    ['a network no token is known on', 'wallet:\n  networks: ["eip155:999999"]\n', 'unknown_network', 'unknown_network', 2],
    ['real money beside play money', 'wallet:\n  networks: ["eip155:84532", "eip155:137"]\n', 'config_invalid', 'mainnet_not_open', 2],
    ['a network twice', 'wallet:\n  networks: ["eip155:84532", "eip155:84532"]\n', 'config_invalid', 'duplicate_network', 2],
    ['no network at all', 'wallet:\n  networks: []\n', 'config_invalid', 'invalid', 2],
    ['a key of the wallet in clear', `wallet: {private_key: "${KEY}"}`, 'key_in_config', 'key_in_config', 1],
    ['a short private_key', 'wallet: {private_key: "0xac09..."}', 'key_in_config', 'key_in_config', 1],
    ['a private key under any name', `registry:\n  path: ${KEY}\n`, 'key_in_config', 'key_in_config', 2],
    ['a private key as an API key', `providers: {a: {api_key: "${KEY}"}}`, 'key_in_config', 'key_in_config', 1],
    ['a private key without 0x', `wallet: {keystore: ${KEY.slice(2)}}`, 'key_in_config', 'key_in_config', 1],
    ['a private key as a key', `"${KEY}": x`, 'key_in_config', 'key_in_config', 1],
    [
      'a phrase of twelve words',
      `wallet: {keystore: "${'legal winner thank year '.repeat(3).trim()}"}`,
      'key_in_config',
      'key_in_config',
      1,
    ],
    ['a mnemonic from a variable', 'wallet: {mnemonic: "${ACME_KEY}"}', 'key_in_config', 'key_in_config', 1],
    ['two presets in a ring', 'presets:\n  a: {models: ["@b"]}\n  b: {model: "@a"}\n', 'config_invalid', 'preset_cycle', 2],
    ['a preset of itself', 'presets: {a: {model: "@a/x"}}', 'config_invalid', 'preset_cycle', 1],
    ['a preset of nobody', 'presets: {a: {model: "@b"}}', 'config_invalid', 'unknown_preset_target', 1],
    ['a preset that streams', 'presets: {a: {params: {stream: true}}}', 'config_invalid', 'bad_param', 1],
    ['open to all without a token', 'listen: 0.0.0.0:4356\nskip_auth: true\n', 'config_invalid', 'public_without_token', 2],
    ['a token and skip_auth', 'auth_token: abc\nskip_auth: true\n', 'config_invalid', 'conflict', 2],
    ['weights for some axes', 'routing: {weights: {cost: 1}}', 'config_invalid', 'invalid', 1],
    ['weights of nothing', 'routing: {weights: {cost: 0, latency: 0, throughput: 0, uptime: 0}}', 'config_invalid', 'invalid', 1],
    ['no attempts', 'routing: {max_attempts: 0}', 'config_invalid', 'invalid', 1],
    ['an unknown network', 'wallet: {network: sepolia}', 'config_invalid', 'invalid', 1],
    ['an RPC by a network name', 'wallet: {rpc: {base: "https://x.test"}}', 'config_invalid', 'bad_key', 1],
    ['an RPC in clear', 'wallet: {rpc: {"eip155:1": "http://rpc.test/?key=abc"}}', 'config_invalid', 'invalid', 1],
    ['a virtual model of nothing', 'models: {m: {endpoints: []}}', 'config_invalid', 'invalid', 1],
  ])('%s', (_, text, code, problem, lineNumber) => {
    const answer = refused(text)
    expect(answer).toMatchObject({ code, problems: [{ code: problem, line: lineNumber }, ...answer.problems.slice(1)] })
    expect(answer.message).toMatch(/^\/etc\/rp\/routeplane\.yaml:\d+:\d+: /)
    expect(JSON.stringify(answer)).not.toContain(KEY.slice(2, 12))
  })

  it.each([
    ['http to the world', 'http://api.example.com', 'insecure_api_base'],
    ['http to a name that only looks local', 'http://localhost.example.com', 'insecure_api_base'],
    ['http to the local network', 'http://192.168.1.5:8000', 'insecure_api_base'],
    ['http to the zero address', 'http://0.0.0.0:8000', 'insecure_api_base'],
    ['credentials', 'https://u:p@api.example.com', 'credentials_in_url'],
    ['a file', 'file:///etc', 'bad_scheme'],
    ['data', 'data:text/plain,x', 'bad_scheme'],
    ['a backslash', 'https://good.test\\@127.0.0.1/', 'invalid_url'],
    ['a query', 'https://api.example.com/v1?key=abc', 'invalid_url'],
    ['no scheme', 'api.example.com/v1', 'invalid_url'],
  ])('an api_base with %s', (_, url, problem) => {
    expect(refused(`providers:\n  a:\n    api_base: '${url}'\n`).problems).toMatchObject([
      { path: 'providers.a.api_base', code: problem, line: 3, column: 5 },
    ])
  })

  it.each([
    ['a provider nobody knows without an address', 'providers: {acme: {}}', 'api_base_required'],
    ['a provider id in capitals', 'providers: {Acme: {}}', 'bad_key'],
    ['a wire format nobody speaks', 'providers: {openai: {api_protocol: grpc}}', 'unknown_protocol'],
    ['a rule of two globs', 'providers: {openai: {api_protocol: [{"*": messages, "a*": responses}]}}', 'bad_rule'],
    ['a glob with a star inside', 'providers: {openai: {api_protocol: [{"a*b": messages}]}}', 'bad_key'],
    ['a payment mode nobody has', 'providers: {openai: {payment: {modes: [free]}}}', 'invalid'],
    ['x402 without a payee', 'providers: {openai: {payment: {modes: [x402]}}}', 'address_required'],
    ['the zero address', `providers: {openai: {payment: {modes: [x402], x402_address: "0x${'0'.repeat(40)}"}}}`, 'invalid'],
    ['a short address', 'providers: {openai: {payment: {modes: [x402], x402_address: 0x1234}}}', 'invalid'],
    ['a model listed twice', 'providers: {openai: {models: [{id: a}, {id: a}]}}', 'duplicate_model'],
    ['a price with an exponent', 'providers: {openai: {models: [{id: a, pricing: {prompt: 3e-6}}]}}', 'invalid_amount'],
    ['a tier without a beginning', 'providers: {openai: {models: [{id: a, pricing: [{prompt: "1"}, {prompt: "2"}]}]}}', 'bad_tiers'],
    ['tiers out of order', 'providers: {openai: {models: [{id: a, pricing: [{}, {min_context: 9}, {min_context: 9}]}]}}', 'bad_tiers'],
    ['a base tier that begins later', 'providers: {openai: {models: [{id: a, pricing: [{min_context: 9}]}]}}', 'bad_tiers'],
    ['a header that pays', 'providers: {openai: {headers: {Payment-Signature: x}}}', 'bad_key'],
    ['a name with an escape sequence', 'providers: {openai: {name: "\\e[31mRed"}}', 'invalid'],
    ['no account at all', 'providers: {openai: {accounts: []}}', 'invalid'],
    ['a key beside accounts', 'providers: {openai: {api_key: a, accounts: [{api_key: b}]}}', 'conflict'],
    ['an account without a key', 'providers: {openai: {accounts: [{label: a}]}}', 'invalid'],
    ['a strategy nobody has', 'providers: {openai: {account_strategy: random}}', 'invalid'],
  ])('%s', (_, text, problem) => {
    expect(refused(text).problems[0]).toMatchObject({ code: problem, line: 1 })
  })

  it('lists every problem at once, each with its place', () => {
    const { code, message, problems } = refused('skip_auht: true\nlisten:\n  port: x\nbudget:\n  per_day_usd: five\n')
    expect(code).toBe('config_invalid')
    expect(message).toContain('(and 2 more)')
    expect(problems.map(({ path, code, line }) => [path, code, line])).toEqual(
      expect.arrayContaining([
        ['listen.port', 'invalid', 3],
        ['budget.per_day_usd', 'invalid_amount', 5],
        ['skip_auht', 'unknown_key', 1],
      ]),
    )
  })

  it('says which key was meant, or which there are', () => {
    expect(refused('modles: {}').message).toContain('did you mean models?')
    expect(refused('ledger: {zebra: 1}').message).toContain('known here: path')
    expect(refused('providers: {openai: {api_protocol: mesages}}').message).toContain('did you mean messages?')
  })
})

describe('the environment', () => {
  it('fills secrets and places', () => {
    verifies('sources.config.api_key')
    const acme = provider('api_key: "${ACME_KEY}", headers: {X-Team: "t-${ACME_KEY}"}')
    expect([acme?.apiKey?.reveal(), acme?.headers['x-team']?.reveal()]).toEqual(['sk-acme-1', 't-sk-acme-1'])
    expect(parse('listen: {host: "${HOST:-127.0.0.1}", port: "${PORT:-8080}"}').listen).toEqual({ host: '127.0.0.1', port: 8080 })
  })

  it('is read once: what comes out of it is neither expanded nor parsed', () => {
    expect(provider('api_key: "${OUTER}"')?.apiKey?.reveal()).toBe('${ACME_KEY}')
    const config = parse('auth_token: "${MULTILINE}"')
    expect([config.skipAuth, config.authToken?.reveal()]).toEqual([false, 'x\nskip_auth: true'])
  })

  it('is not asked by comments, nor by a written-out "${"', () => {
    expect(parse('# ${NOPE}\npresets: {a: {system_prompt: "say $${NAME}"}}').presets[0]?.systemPrompt).toBe('say ${NAME}')
  })

  it('gives a provider its usual variable, but not a known one at a foreign address', () => {
    expect(provider('status: active')?.provider.access).toEqual({ kind: 'api_key', env: 'ACME_API_KEY', extraHeaders: {} })
    expect(parse('providers: {openai: {}}').providers[0]?.apiKey?.reveal()).toBe('sk-openai-1')
    expect(parse('providers: {openai: {api_base: "https://elsewhere.test"}}').providers[0]?.apiKey).toBeUndefined()
  })

  it('holds the wallet key when a variable is named, and never prints a secret', () => {
    verifies('card.wallet.silent')
    const config = parse(
      'wallet: {key_env: WALLET, rpc: {"eip155:84532": "https://rpc.test/v2/abcdef?k=1"}}\nauth_token: t0ken\nproviders: {openai: {}}',
    )
    expect([config.wallet.key?.reveal(), config.wallet.rpc['eip155:84532']?.reveal()]).toEqual([KEY, 'https://rpc.test/v2/abcdef?k=1'])
    const printed =
      inspect(config, { depth: null, showHidden: true }) +
      JSON.stringify(config, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))
    for (const text of [KEY.slice(2), 'abcdef', 't0ken', 'sk-openai-1']) expect(printed).not.toContain(text)
  })
})

describe('providers', () => {
  it('reads all of a paid provider into the registry’s own terms', () => {
    const config = parse(`
providers:
  acme:
    api_base: https://api.acme.test/v1/
    api_protocol: [{"claude-*": messages}, {"*": [openai, responses]}]
    payment:
      modes: [x402, byok]
      x402_address: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
      x402: {max_price_slack: 1.1}
    timeouts: {connect_ms: 500}
    models:
      - id: acme/large
        provider_model_id: large-2
        context_length: 128000
        max_output_length: 4096
        supported_features: [tools]
        pricing: [{prompt: "0.000002", completion: 0.000012}, {prompt: "0.000004", min_context: 200000}]
`)
    const { provider: found, models, timeouts, passesAnyModel } = config.providers[0]!
    expect(found).toEqual({
      id: 'acme',
      name: 'acme',
      baseUrl: 'https://api.acme.test/v1',
      status: 'active',
      kind: 'third_party',
      source: 'config',
      access: { kind: 'api_key', env: 'ACME_API_KEY', extraHeaders: {} },
      payment: {
        modes: ['x402', 'byok'],
        x402: {
          payTo: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
          networks: ['eip155:84532'],
          assets: ['USDC'],
          schemes: ['exact', 'upto', 'batch-settlement'],
          maxPriceSlackPermille: 1100n,
        },
      },
      protocols: [
        { glob: 'claude-*', protocols: ['messages'] },
        { glob: '*', protocols: ['chat_completions', 'responses'] },
      ],
      rateLimits: [],
      weight: 1,
    })
    expect([timeouts, passesAnyModel]).toEqual([{ connectMs: 500 }, false])
    expect(models).toMatchObject([
      {
        modelId: 'acme/large',
        upstreamModel: 'large-2',
        name: 'acme/large',
        contextLength: 128_000,
        maxOutputTokens: 4096,
        features: ['tools'],
        samplingParameters: undefined,
        pricing: {
          tiers: [
            { fromInputTokens: 0, prompt: parseUsd('0.000002'), completion: parseUsd('0.000012'), image: undefined },
            { fromInputTokens: 200_000, prompt: parseUsd('0.000004'), completion: undefined },
          ],
        },
      },
    ])
  })

  it.each([
    ['chat_completions', [{ glob: '*', protocols: ['chat_completions'] }]],
    ['[anthropic, openai]', [{ glob: '*', protocols: ['messages', 'chat_completions'] }]],
    ['[{"*": google}]', [{ glob: '*', protocols: ['generate_content'] }]],
  ])('api_protocol: %s', (text, rules) => {
    expect(provider(`api_protocol: ${text}`)?.provider.protocols).toEqual(rules)
  })

  it.each(['http://localhost:11434/v1', 'http://127.0.0.1:8000', 'http://127.1:8000', 'http://[::1]:8000', 'http://2130706433/'])(
    'needs no key at %s',
    (url) => {
      verifies('sources.self_hosted')
      const [local] = parse(`providers: {gpu: {api_base: "${url}"}}`).providers
      expect(local).toMatchObject({ isLoopback: true, provider: { access: { kind: 'none' }, payment: { modes: ['byok'] } } })
    },
  )

  it('an unknown price stays unknown and a written zero is zero', () => {
    const models = parse('providers: {openai: {models: [{id: a}, {id: b, pricing: {prompt: 0}}]}}').providers[0]?.models
    expect(models?.map((model) => model.pricing?.tiers[0].prompt)).toEqual([undefined, 0n])
  })

  it('a paid provider on mainnet is paid on mainnet', () => {
    const text =
      'wallet: {network: mainnet}\nproviders: {p: {api_base: "https://p.test", payment: {modes: [x402], x402_address: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"}}}'
    expect(parse(text).providers[0]?.provider).toMatchObject({ access: { kind: 'none' }, payment: { x402: { networks: ['eip155:8453'] } } })
  })
})

describe('the result', () => {
  it('gives parameters the types they were written as', () => {
    const [preset] = parse(
      'presets: {a: {params: {temperature: 0.2, seed: 5, stop: ["1", end], user: "007", logprobs: true, big: 007}}}',
    ).presets
    expect(preset?.params).toEqual({ temperature: 0.2, seed: 5, stop: ['1', 'end'], user: '007', logprobs: true, big: '007' })
  })

  it('has presets the facade takes as they are', () => {
    const presets: readonly ConfiguredPreset[] = parse(
      'presets: {a: {model: m, max_cost_usd: 0.01, routing: {sort: cost}, payment: {prefer: [x402]}}}',
    ).presets
    const facade: readonly Preset[] = presets
    expect(facade).toEqual([{ name: 'a', model: 'm', maxCostUsd: parseUsd('0.01'), routing: { sort: 'cost' }, paymentPrefer: ['x402'] }])
  })

  it('resolves paths against the file, home and nothing else', () => {
    const config = parse('wallet: {keystore: keys/w.json, password_file: ~/pw}\nledger: {path: /var/l.db}\nregistry: {path: ../reg}')
    expect([config.wallet.keystore, config.wallet.passwordFile, config.ledger.path, config.registry.path]).toEqual([
      '/etc/rp/keys/w.json',
      '/homes/ada/pw',
      '/var/l.db',
      '/etc/reg',
    ])
  })

  it('cannot be changed afterwards', () => {
    const config = parse('providers: {openai: {models: [{id: a}]}}') as { -readonly [Key in keyof Config]: unknown }
    expect(() => (config.skipAuth = true)).toThrow(TypeError)
    expect(() => ((parse('').budget as { perDayUsd: unknown }).perDayUsd = 0n)).toThrow(TypeError)
  })

  it('comes from plain values too, without a file', () => {
    const config = configFrom({ listen: { port: 0 }, budget: { per_request_usd: 0.05, per_day_usd: '1' }, skip_auth: true }, environment)
    expect([config.listen.port, formatUsd(config.budget.perRequestUsd), config.skipAuth]).toEqual([0, '0.05', true])
    expect(() => configFrom({ budget: { per_day_usd: 1e21 } }, environment)).toThrow(/plain decimal/)
    expect(() => configFrom({ budget: { per_day_usd: 1e-7 } }, environment)).toThrow(/plain decimal/)
    expect(() => configFrom({ budget: { per_day_usd: Number.NaN } }, environment)).toThrow(RouteplaneError)
  })

  it('law: an amount is read exactly or refused', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 24n }), (units) => {
        const text = formatUsd(units as ReturnType<typeof parseUsd>)
        expect(parse(`budget: {per_day_usd: ${text}}`).budget.perDayUsd).toBe(units)
      }),
    )
  })
})
