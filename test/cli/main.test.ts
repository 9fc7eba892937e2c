/** The command line as a whole: dispatch, usage errors, exit codes, formats and interrupts. */
import { describe, expect, it } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { exitCodeOf } from '../../src/cli/exit-code.ts'
import { RouteplaneError, errorTable, type ErrorCode } from '../../src/errors.ts'
import { createWorld } from './fake-context.ts'

const KEY = '4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'

describe('usage', () => {
  it.each([
    ['an unknown command', ['frobnicate'], 'there is no command "frobnicate"', 'See "routeplane --help"'],
    ['a mistyped command', ['modles'], 'there is no command "modles"', 'Did you mean "routeplane models"?'],
    ['a command of other programs', ['check'], 'there is no command "check"', 'Did you mean "routeplane doctor"?'],
    ['a mistyped second word', ['wallet', 'crate'], 'there is no command "wallet crate"', 'Did you mean "routeplane wallet create"?'],
    [
      'a mistyped second word after an alias',
      ['receipts', 'verfy', 'x'],
      'there is no command "receipts verfy"',
      'Did you mean "routeplane receipts verify"?',
    ],
    ['half a command', ['wallet'], '"wallet" needs a second word', '"routeplane wallet create"'],
    ['half a command with options', ['config', '--format=text'], '"config" needs a second word', '"routeplane config check"'],
    ['a flag without its value', ['-c'], '--config needs a value', 'routeplane serve --help'],
    ['a flag whose value is another flag', ['config', 'check', '-c', '--format=text'], '--config needs a value', 'config check --help'],
    ['an unknown flag', ['models', '--frmat', 'json'], 'did you mean --format?', 'models list --help'],
    ['an unknown short flag', ['models', '-x'], 'there is no such option', 'models list --help'],
    ['a value for a switch', ['models', '--all=yes'], '--all takes no value', 'models list --help'],
    ['a format there is not', ['models', '--format', 'xml'], '--format is one of text, json', 'models list --help'],
    ['a missing argument', ['route'], '<model> is missing', 'route --help'],
    ['too many arguments', ['route', 'a', 'b'], 'too many arguments for "route"', 'route --help'],
    ['a port in words', ['serve', '--port', 'http'], '--port is a whole number', 'serve --help'],
    ['a port out of range', ['serve', '--port', '65536'], '--port is a whole number', 'serve --help'],
    ['a limit of nothing', ['receipts', 'list', '--limit', '0'], '--limit is a whole number', 'receipts list --help'],
    ['a cap in words', ['route', 'm', '--max-cost', 'five'], '--max-cost is an amount', undefined],
    ['a negative cap', ['route', 'm', '--max-cost=-5'], '--max-cost is an amount', undefined],
    ['blocks backwards', ['reconcile', '--from-block', '9', '--to-block', '8'], '--from-block lies behind', 'reconcile --help'],
    ['a block in hex', ['reconcile', '--from-block', '0x10'], '--from-block is a block number', 'reconcile --help'],
    ['a config that is not there', ['config', 'check', '-c', 'gone.yaml'], 'there is no config at', 'routeplane init -c gone.yaml'],
  ])('%s ends with 2, one line and a hint', async (_, args, message, hint) => {
    const { code, out, error } = await createWorld().run(...args)
    expect([code, out]).toEqual([2, ''])
    expect(error.split('\n')[0]).toContain(`routeplane: `)
    expect(error.split('\n')[0]).toContain(message)
    if (hint !== undefined) expect(error).toContain(hint)
    expect(error).not.toMatch(/\n\s+at /)
  })

  it.each([
    ['a key as an argument of import', ['wallet', 'import', `0x${KEY}`]],
    ['a shortened key', ['wallet', 'import', '0xac0974']],
    ['a key without 0x', ['route', KEY]],
    ['a key in an option', ['wallet', 'import', `--key=0x${KEY}`]],
    ['a key in a place of its own', ['frobnicate', '--x', `0x${KEY}`]],
    ['a phrase in quotes', ['wallet', 'import', 'legal winner thank year wave sausage worth useful legal winner thank yellow']],
    [
      'a phrase in words',
      ['wallet', 'import', ...'legal winner thank year wave sausage worth useful legal winner thank yellow'.split(' ')],
    ],
  ])('%s is refused without a word of it', async (_, args) => {
    const { code, error } = await createWorld().run(...args, '--debug', '--format', 'json')
    expect(code).toBe(2)
    expect(error).toContain('"code":"key_on_command_line"')
    for (const part of ['4c0883a6', 'ac0974', 'sausage']) expect(error).not.toContain(part)
  })

  it.each(['close', 'withdraw'])('the id of a channel is none, though it has the form of one: channels %s', async (command) => {
    const { error } = await createWorld().run('channels', command, `0x${KEY}`, '--format', 'json')
    expect(error).not.toContain('key_on_command_line')
    expect(error).toContain('"code":"')
  })
})

describe('what a shell makes of a variable that is not set', () => {
  it.each([
    ['no command', [''], 'unknown_command'],
    ['no model', ['route', ''], 'missing_argument'],
    ['no name', ['presets', 'show', ''], 'missing_argument'],
    ['no config', ['config', 'check', '-c', ''], 'missing_value'],
    ['no config behind a sign', ['--config='], 'missing_value'],
  ])('is %s', async (_, args, problem) => {
    const { code, error, out } = await createWorld().run(...args, '--format', 'json')
    expect([code, out]).toEqual([2, ''])
    expect(JSON.parse(error)).toMatchObject({ error: { code: 'usage', details: { problem } } })
  })
})

describe('answers', () => {
  it('prints errors as JSON when JSON is asked for', async () => {
    const { error, out } = await createWorld().run('route', '--format=json')
    expect(out).toBe('')
    expect(JSON.parse(error)).toEqual({
      error: {
        code: 'usage',
        message: '<model> is missing',
        hint: 'See "routeplane route --help".',
        money: 'untouched',
        details: { problem: 'missing_argument' },
      },
    })
  })

  it('prints a stack only with --debug, and hides secrets even there', async () => {
    const routeplane = {
      status: async () => {
        throw new Error(`the chain said 0x${KEY} and sk-abcdefgh12345678`)
      },
    }
    const quiet = await createWorld({ routeplane }).run('wallet', 'status')
    expect([quiet.code, quiet.error]).toEqual([1, 'routeplane: an unexpected error occurred\n'])
    const { error } = await createWorld({ routeplane }).run('wallet', 'status', '--debug')
    expect(error).toContain('caused by Error: the chain said')
    expect(error).not.toContain('4c0883a6')
    expect(error).not.toContain('abcdefgh')
  })

  it('lets no provider steer the terminal', async () => {
    const routeplane = { catalog: { models: () => [], model: () => ({ id: 'a/b', name: '\u001b[2J\u202eevil\nname', endpoints: [] }) } }
    const { out } = await createWorld({ routeplane }).run('models', 'show', 'a/b')
    expect(out).not.toMatch(/[\u001b\u202e]/)
    expect(out).toContain('name   [2J evil name')
  })

  it('lists every problem of a config', async () => {
    const world = createWorld()
    const { writeFileSync } = await import('node:fs')
    writeFileSync(`${world.directory}/routeplane.yaml`, 'skip_auht: true\nlisten: {port: x}\n')
    const { code, error } = await world.run('config', 'check')
    expect(code).toBe(2)
    expect(error).toMatch(/^routeplane: .*routeplane\.yaml:\d+:\d+: .* \(and 1 more\)\n {2}also line \d+: /)
  })

  it('closes the engine when the work fails', async () => {
    const closed: string[] = []
    const { code } = await createWorld({ routeplane: { close: async () => void closed.push('closed') } }).run(
      'models',
      'show',
      'nobody/nothing',
    )
    expect([code, closed]).toEqual([1, ['closed']])
  })
})

describe('interrupts', () => {
  it('ends a lookup with 130', async () => {
    const world = createWorld({ routeplane: { status: () => new Promise(() => {}) } })
    const running = world.run('wallet', 'status')
    world.interrupt('SIGINT')
    expect((await running).code).toBe(130)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 0],
  ] as const)('lets serve put things in order at %s', async (signal, expected) => {
    const order: string[] = []
    let began = () => {}
    const serving = new Promise<void>((resolve) => (began = resolve))
    const world = createWorld({
      engine: {
        serveHttp: async ({}, { host, port }) => {
          began()
          return { url: `http://${host}:${port}`, close: async () => void order.push('server') }
        },
      },
      routeplane: { close: async () => void order.push('engine') },
    })
    const running = world.run('serve', '--port', '0')
    await serving
    world.interrupt(signal)
    expect((await running).code).toBe(expected)
    expect(order).toEqual(['server', 'engine'])
  })
})

describe('exit codes', () => {
  it('every code of ours has one, and money never ends with 0', () => {
    const codes = Object.keys(errorTable) as ErrorCode[]
    const byExit: Record<string, ErrorCode[]> = {}
    for (const code of codes) (byExit[exitCodeOf(new RouteplaneError(code, 'x'))] ??= []).push(code)
    expect(Object.keys(byExit).toSorted()).toEqual(['1', '130', '2', '3', '4', '5'])
    expect(byExit).toMatchInlineSnapshot(`
      {
        "1": [
          "invalid_request",
          "invalid_json",
          "duplicate_key",
          "unknown_variant",
          "unknown_preset",
          "conflicting_max_cost",
          "invalid_idempotency_key",
          "unsupported_parameter",
          "bad_target",
          "duplicate_host",
          "http_parse",
          "header_too_large",
          "too_many_headers",
          "unauthorized",
          "payment_required",
          "invalid_payment",
          "invalid_quote",
          "payment_in_progress",
          "channel_closed",
          "payment_already_used",
          "host_forbidden",
          "origin_forbidden",
          "model_not_found",
          "model_forbidden",
          "key_not_found",
          "receipt_not_found",
          "invoice_not_found",
          "response_not_found",
          "not_found",
          "method_not_allowed",
          "body_too_large",
          "unsupported_media_type",
          "unsupported_encoding",
          "idempotency_conflict",
          "no_eligible_endpoint",
          "approval_not_found",
          "upstream_error",
          "upstream_bad_stream",
          "upstream_unreachable",
          "upstream_rate_limited",
          "upstream_timeout",
          "redirect_refused",
          "private_address",
          "response_too_large",
          "stream_incomplete",
          "idle_timeout",
          "overloaded",
          "internal",
        ],
        "130": [
          "cancelled",
        ],
        "2": [
          "nesting_too_deep",
          "invalid_model_id",
          "invalid_max_cost",
          "config_invalid",
          "aliases_forbidden",
          "env_not_set",
          "env_syntax",
          "key_in_config",
          "invalid_amount",
          "manifest_invalid",
          "keystore_exists",
          "keystore_unsafe",
          "key_on_command_line",
          "usage",
        ],
        "3": [
          "budget_exceeded",
          "price_above_cap",
          "approval_required",
          "approval_denied",
          "insufficient_funds",
          "payment_outcome_unknown",
          "payment_rejected",
          "answer_lost",
          "bad_challenge",
          "bad_payee",
          "payee_mismatch",
          "unknown_asset",
          "unknown_network",
          "unsupported_scheme",
          "challenge_expired",
          "price_mismatch",
          "policy_refused",
          "facilitator_unavailable",
          "settlement_unknown",
        ],
        "4": [
          "wallet_locked",
          "keystore_missing",
          "keystore_invalid",
          "keystore_bad_password",
          "invalid_key",
        ],
        "5": [
          "store_unavailable",
          "ledger_locked",
        ],
      }
    `)
  })
})

describe('the tuple of commands', () => {
  it('has names and aliases that are all different', () => {
    const words = commands.flatMap(({ name, aliases }) => [name, ...aliases])
    expect(new Set(words).size).toBe(words.length)
    expect(words.filter((word) => word === '')).toHaveLength(1)
  })
})
