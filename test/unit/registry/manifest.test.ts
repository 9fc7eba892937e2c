/** Provider files in both spellings, and what a stranger's file must not be able to do. */
import { describe, expect, it } from 'vitest'
import { formatUsd, type Usd } from '../../../src/money.ts'
import { parseManifest, type ManifestOptions } from '../../../src/registry/manifest.ts'
import { problemsOf } from '../../../src/registry/problem.ts'
import { verifies } from '../../support/verifies.ts'

const PAYEE = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'

const MARKETPLACE = `
id: example-provider
name: Example AI
endpoint: https://api.example.ai/v1
protocol: openai
models_url: https://api.example.ai/v1/models
payment:
  modes: [byok, x402]
  x402_address: "${PAYEE}"
homepage: https://example.ai
support: https://example.ai/support
`

const REGISTRY_FILE = `
name: redpill
display_name: Red Pill
api_base: https://api.redpill.ai/v1/
api_protocol:
  - "*": openai
  - "anthropic/*": [anthropic, openai]
  - anthropic/claude-haiku: responses
status: active
kind: gateway
weight: 0.5
rpm: 60
rate_limits:
  - "deepseek/*": { tokens_per_minute: 1000 }
contact: ops@redpill.ai
auth: { kind: header, header: X-Api-Key, env: REDPILL_API_KEY, extra_headers: { X-Title: router } }
models:
  - id: deepseek/deepseek-v3.2
    provider_model_id: DeepSeek-V3.2
    pricing:
      input_tokens: { no_cache: 0.27, cache_read: 0.054 }
      output_tokens: { text: 0.41 }
      context_tiers:
        - above_input_tokens: 200000
          input_tokens: { no_cache: 0.54 }
    rate_limits: { requests_per_minute: 5 }
    deprecation_date: 2027-01-31
`

async function problemsIn(text: string, options: ManifestOptions = {}) {
  try {
    await parseManifest(text, options)
    return []
  } catch (error) {
    return problemsOf(error)
  }
}

/** The marketplace example with one line put in, replacing the line with the same key if it is there. */
function withLine(line: string): string {
  const key = /^\s*\w+:/.exec(line)?.[0] ?? ''
  const kept = MARKETPLACE.split('\n').filter((each) => !each.startsWith(key) || key === '')
  return [...kept, line].join('\n')
}

function usd(amount: Usd | undefined): string | undefined {
  return amount === undefined ? undefined : formatUsd(amount)
}

describe('the marketplace spelling', () => {
  it('becomes a provider with its own key variable, payee and models document', async () => {
    verifies('register.manifest.id', 'register.manifest.payment_modes', 'register.manifest.x402_address', 'register.manifest.support')
    const { provider, models } = await parseManifest(MARKETPLACE, { expectedId: 'example-provider' })
    expect(models).toEqual([])
    expect(provider).toMatchObject({
      id: 'example-provider',
      name: 'Example AI',
      baseUrl: 'https://api.example.ai/v1',
      modelsUrl: 'https://api.example.ai/v1/models',
      status: 'active',
      kind: 'third_party',
      source: 'registry',
      access: { kind: 'api_key', env: 'EXAMPLE_PROVIDER_API_KEY', extraHeaders: {} },
      protocols: [{ glob: '*', protocols: ['chat_completions'] }],
      weight: 1,
      support: 'https://example.ai/support',
    })
    expect(provider.payment).toEqual({
      modes: ['byok', 'x402'],
      x402: {
        payTo: PAYEE,
        networks: ['eip155:8453', 'eip155:84532'],
        assets: ['USDC'],
        schemes: ['exact', 'upto', 'batch-settlement'],
        maxPriceSlackPermille: 1050n,
      },
    })
  })

  it('spells a lower-case payee with its checksum', async () => {
    const { provider } = await parseManifest(MARKETPLACE.replace(PAYEE, PAYEE.toLowerCase()))
    expect(provider.payment.x402?.payTo).toBe(PAYEE)
  })

  it('asks for no key where none is taken', async () => {
    const { provider } = await parseManifest(MARKETPLACE.replace('[byok, x402]', '[x402]'))
    expect(provider.access).toEqual({ kind: 'none' })
  })

  it('reads every extended payment key', async () => {
    const { provider } = await parseManifest(`
id: acme
endpoint: https://acme.dev/v1
payment:
  modes: [mpp, invoice, x402]
  x402_address: "${PAYEE}"
  x402:
    networks: [eip155:8453]
    assets: [USDC, EURC]
    schemes: [batch-settlement, upto, exact]
    max_price_slack: 1.2
    facilitator: https://facilitator.example.ai
  mpp: { methods: [evm, stripe, tempo], intents: [charge, session], max_price_slack: 1.1 }
  invoice: { terms_days: 14, currency: USD, email: billing@acme.dev }
`)
    expect(provider.payment).toEqual({
      modes: ['mpp', 'invoice', 'x402'],
      x402: {
        payTo: PAYEE,
        networks: ['eip155:8453'],
        assets: ['USDC', 'EURC'],
        schemes: ['batch-settlement', 'upto', 'exact'],
        maxPriceSlackPermille: 1200n,
      },
      mpp: {
        payTo: PAYEE,
        networks: ['eip155:8453', 'eip155:84532', 'eip155:4217', 'eip155:42431'],
        assets: ['USDC', 'USDC.e', 'pathUSD'],
        schemes: ['evm/charge', 'tempo/charge', 'tempo/session'],
        maxPriceSlackPermille: 1100n,
      },
      invoice: { termsDays: 14, email: 'billing@acme.dev' },
    })
  })
})

describe('the registry spelling', () => {
  it('becomes the same kind of provider, with rules closest first and prices per token', async () => {
    verifies('listing.auth.method', 'listing.auth.location', 'listing.endpoint.base_url', 'listing.endpoint.versioning')
    const { provider, models } = await parseManifest(REGISTRY_FILE, { expectedId: 'redpill' })
    expect(provider).toMatchObject({
      id: 'redpill',
      name: 'Red Pill',
      baseUrl: 'https://api.redpill.ai/v1',
      kind: 'gateway',
      weight: 0.5,
      access: { kind: 'api_key', env: 'REDPILL_API_KEY', header: 'x-api-key', extraHeaders: { 'x-title': 'router' } },
      payment: { modes: ['byok'] },
    })
    expect(provider.protocols.map((rule) => rule.glob)).toEqual(['anthropic/claude-haiku', 'anthropic/*', '*'])
    expect(provider.rateLimits).toEqual([
      { glob: 'DeepSeek-V3.2', requestsPerMinute: 5 },
      { glob: 'deepseek/*', tokensPerMinute: 1000 },
      { glob: '*', requestsPerMinute: 60 },
    ])
    expect(models).toMatchObject([{ upstreamModel: 'DeepSeek-V3.2', canonicalId: 'deepseek/deepseek-v3.2', deprecationDate: '2027-01-31' }])
    const [base, above] = models[0]?.pricing?.tiers ?? []
    expect([usd(base?.prompt), usd(base?.cacheRead), usd(base?.completion)]).toEqual(['0.00000027', '0.000000054', '0.00000041'])
    expect(above?.fromInputTokens).toBe(200_001)
    expect([usd(above?.prompt), usd(above?.completion)]).toEqual(['0.00000054', '0.00000041'])
    expect(above?.cacheRead).toBeUndefined()
  })

  it('polls the provider’s own feed where the file says so', async () => {
    const { provider } = await parseManifest('name: acme\napi_base: https://acme.dev/v1\nauto_sync: {feed: v1_models}\n')
    expect(provider.modelsUrl).toBe('https://acme.dev/v1/models')
  })
})

describe('places of problems', () => {
  it('names every problem with its line and column', async () => {
    const problems = await problemsIn('id: acme\nendpoint: https://acme.dev\nweigth: 1\npayment:\n  modes: [x402, free]\n')
    expect(problems).toMatchObject([
      { path: 'payment.modes[1]', code: 'unknown_mode', line: 5, column: 17 },
      { path: 'weigth', code: 'unknown_key', line: 3, column: 1, message: 'unknown key "weigth"; did you mean weight?' },
    ])
  })
})

describe('a file that must be refused', () => {
  const payment = (address: string) => MARKETPLACE.replace(`"${PAYEE}"`, address)
  const endpoint = (url: string) => withLine(`endpoint: ${url}`)

  it.each([
    ['an address without quotes', payment(PAYEE), 'address_not_string'],
    ['an address that became a float on the way', payment('"1.8604568606746628e+47"'), 'address_not_string'],
    ['an address with a wrong capital', payment('"0x209693bC6afc0C5328bA36FaF03C514EF312287C"'), 'bad_checksum'],
    ['the zero address', payment('"0x0000000000000000000000000000000000000000"'), 'zero_address'],
    ['an address that is too short', payment('"0x209693Bc"'), 'invalid_address'],
    [
      'an address on Solana with a letter that base58 has not',
      payment('"0xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"'),
      'invalid_address',
    ],
    ['an address on Solana of 31 bytes', payment('"7DUeBUtEcb7nujVZRJmeBju3X1mo6PpnWNtJ9EBhdY"'), 'invalid_address'],
    ['the program of zeros', payment('"11111111111111111111111111111111"'), 'invalid_address'],
    ['x402 without an address', MARKETPLACE.replace(/ {2}x402_address.*\n/, ''), 'address_required'],
    ['a mode nobody knows', MARKETPLACE.replace('[byok, x402]', '[free]'), 'unknown_mode'],
    [
      'a slack that would let a seller ask a hundredfold',
      MARKETPLACE.replace('homepage', '  x402: {max_price_slack: 100}\nhomepage'),
      'invalid_number',
    ],
    ['loopback', endpoint('https://127.0.0.1/v1'), 'private_address'],
    ['loopback as one number', endpoint('https://2130706433/'), 'private_address'],
    ['loopback in hexadecimal', endpoint('https://0x7f.1/'), 'private_address'],
    ['loopback in octal', endpoint('https://017700000001/'), 'private_address'],
    ['loopback shortened', endpoint('https://127.1/'), 'private_address'],
    ['the zero host', endpoint('https://0/'), 'private_address'],
    ['an IPv4-mapped address', endpoint('"https://[::ffff:127.0.0.1]/"'), 'private_address'],
    ['an IPv4-mapped private address', endpoint('"https://[::ffff:10.0.0.1]/"'), 'private_address'],
    ['IPv6 loopback', endpoint('"https://[::1]/"'), 'private_address'],
    ['a NAT64 address', endpoint('"https://[64:ff9b::7f00:1]/"'), 'private_address'],
    ['a unique local address', endpoint('"https://[fd00::1]/"'), 'private_address'],
    ['ideographic dots', endpoint('https://127。0。0。1/'), 'private_address'],
    ['localhost with its root dot', endpoint('https://localhost./'), 'private_address'],
    ['the address of cloud metadata', endpoint('https://169.254.169.254/'), 'private_address'],
    ['the name of cloud metadata', endpoint('https://metadata.google.internal/'), 'private_address'],
    ['carrier-grade NAT', endpoint('https://100.64.0.1/'), 'private_address'],
    ['a name without a dot', endpoint('https://intranet/'), 'private_address'],
    ['a backslash before the real host', endpoint('https://good.com\\@127.0.0.1/'), 'invalid_url'],
    ['a port of another service', endpoint('https://api.example.ai:6379/'), 'port_forbidden'],
    ['port 22', endpoint('https://api.example.ai:22/'), 'port_forbidden'],
    ['plain http', endpoint('http://api.example.ai/'), 'insecure_url'],
    ['credentials in the URL', endpoint('https://u:p@api.example.ai/'), 'credentials_in_url'],
    ['a file URL', endpoint('file:///etc/passwd'), 'bad_scheme'],
    ['a private models_url', withLine('models_url: https://10.0.0.1/models'), 'private_address'],
    ['terminal escapes in the name', withLine('name: "\\u001b[31mX"'), 'invalid_name'],
    ['text that turns around in the name', withLine('name: "abc\\u202eexe"'), 'invalid_name'],
    ['a name of ten thousand letters', withLine(`name: ${'a'.repeat(10_000)}`), 'invalid_name'],
    ['a link that is a script', withLine('homepage: "javascript:alert(1)"'), 'bad_scheme'],
    ['an unknown key', withLine('weigth: 1'), 'unknown_key'],
    ['an unknown protocol', withLine('protocol: grpc'), 'unknown_protocol'],
    ['a key variable of somebody else', withLine('auth: {kind: bearer, env: OPENAI_API_KEY}'), 'env_not_allowed'],
    ['a secret of the machine', withLine('auth: {kind: bearer, env: AWS_SECRET_ACCESS_KEY}'), 'env_not_allowed'],
    ['a header that pays', withLine('auth: {kind: header, header: payment-signature}'), 'invalid_header'],
    ['a header split in two', withLine('auth: {kind: bearer, extra_headers: {x-a: "b\\r\\nhost: evil"}}'), 'invalid_header'],
    ['both spellings of one thing', withLine('api_base: https://api.example.ai/v1'), 'conflicting_keys'],
    ['a device name as id', withLine('id: con'), 'invalid_id'],
    ['an id with a capital', withLine('id: OpenAI'), 'invalid_id'],
    ['an id with a Cyrillic letter', withLine('id: оpenai'), 'invalid_id'],
    ['an id of 300 letters', withLine(`id: ${'a'.repeat(300)}`), 'invalid_id'],
    ['an id that is a path', withLine('id: ../x'), 'invalid_id'],
    ['five megabytes', `# ${'x'.repeat(5_000_000)}`, 'file_too_large'],
    ['two documents', 'id: a\n---\nid: b\n', 'manifest_invalid'],
    ['a list', '- a\n', 'invalid_value'],
    ['nothing', '', 'invalid_value'],
  ])('%s', async (_, text, code) => {
    verifies('listing.endpoint.https', 'listing.process.security')
    expect((await problemsIn(text)).map((problem) => problem.code)).toContain(code)
  })

  it('because its id is not the name of the file', async () => {
    verifies('register.manifest.id', 'registry.layout.providers')
    expect(await problemsIn(MARKETPLACE, { expectedId: 'other' })).toMatchObject([{ path: 'id', code: 'id_mismatch', line: 2 }])
  })

  it('also when loopback is allowed, if another private place is meant', async () => {
    expect(await problemsIn(endpoint('https://10.1.2.3/'), { allowLoopback: true })).toMatchObject([{ code: 'private_address' }])
    expect(await problemsIn(endpoint('http://127.0.0.1:4021/v1'), { allowLoopback: true })).toEqual([])
  })

  it.each([
    ['tiers that fall', 'context_tiers: [{above_input_tokens: 9}, {above_input_tokens: 9}]', 'tier_order'],
    ['an exponent as a price', 'image: 1e-7', 'invalid_amount'],
    ['a negative price', 'image: -1', 'invalid_amount'],
  ])('for prices with %s', async (_, extra, code) => {
    const text = `name: acme\napi_base: https://acme.dev\nmodels:\n- id: a/b\n  pricing: {input_tokens: {no_cache: 1}, output_tokens: {text: 1}, ${extra}}\n`
    expect(await problemsIn(text)).toMatchObject([{ code }])
  })

  it('for a base price that is not there', async () => {
    const text =
      'name: acme\napi_base: https://acme.dev\nmodels:\n- id: a/b\n  pricing: {input_tokens: {cache_read: 1}, output_tokens: {}}\n'
    expect((await problemsIn(text)).map((problem) => problem.code)).toEqual(['price_missing', 'price_missing'])
  })
})
