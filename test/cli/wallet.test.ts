/** `wallet …`: where passwords and keys may come from, and what is said afterwards. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { KeystorePort } from '../../src/cli/context.ts'
import { createEngine } from '../../src/cli/engine.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { Secret } from '../../src/lib/log.ts'
import type { AllowanceView } from '../../src/routeplane.ts'
import { parseUsd } from '../../src/money.ts'
import { createWorld, emptyStatus, type WorldOptions } from './fake-context.ts'
import { verifies } from '../support/verifies.ts'

const ADDRESS = '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23'
const SOLANA_ADDRESS = '7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU'
const KEY = '0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'
/** The seed of RFC 8032, section 7.1, test 1, with its public key behind it. */
const SOLANA_KEY = '49W385L4rePHy6PAaQUovbD2aacgN4HsKXSMeUzRg4fmwXszN91JuMFrQRj3vMDpZuRF3ZknQBuRBoWQJEfXstMw'

function createWalletWorld(options: WorldOptions = {}) {
  const calls: unknown[] = []
  const keystore: KeystorePort = {
    create: async (given) => (calls.push(given), ADDRESS),
    importKey: async (given) => (calls.push(given), ADDRESS),
    createSolana: async (given) => (calls.push(given), SOLANA_ADDRESS),
    importSolana: async (given) => (calls.push(given), SOLANA_ADDRESS),
    reveal: async (given) => (calls.push(given), new Secret(KEY)),
    revealSolana: async (given) => (calls.push(given), new Secret(SOLANA_KEY)),
  }
  const world = createWorld({ engine: { keystore }, ...options })
  return { world, calls, keystorePath: join(world.directory, 'home', '.routeplane', 'wallet.json') }
}

describe('wallet create', () => {
  it('takes the password from the environment and says how to fund the wallet', async () => {
    const { world, calls, keystorePath } = createWalletWorld({ variables: { ROUTEPLANE_WALLET_PASSWORD: 'correct horse' } })
    const { code, out, error } = await world.run('wallet', 'create')
    expect([code, error, calls]).toEqual([0, '', [{ path: keystorePath, password: 'correct horse' }]])
    expect(out).toContain(ADDRESS)
    expect(out).toContain('Base Sepolia (eip155:84532)')
    expect(out).not.toContain('correct horse')
  })

  it('makes a key of Solana in a file of its own', async () => {
    const { world, calls } = createWalletWorld({ variables: { ROUTEPLANE_WALLET_PASSWORD: 'correct horse' } })
    const { code, out } = await world.run('wallet', 'create', '--solana')
    const path = join(world.directory, 'home', '.routeplane', 'solana-wallet.json')
    expect([code, calls]).toEqual([0, [{ path, password: 'correct horse' }]])
    for (const said of [SOLANA_ADDRESS, 'Solana Devnet', 'no SOL', '@x402/svm']) expect(out).toContain(said)
  })

  it.each([['5'.repeat(88)], [JSON.stringify(Array.from({ length: 64 }, () => 7))]])(
    'takes no key of Solana on the command line',
    async (key) => {
      const { world, calls } = createWalletWorld()
      const { code, error } = await world.run('wallet', 'import', '--solana', key)
      expect([code, calls]).toEqual([2, []])
      expect(error).not.toContain(key)
    },
  )

  it('takes the first line of a file, before the environment', async () => {
    const { world, calls } = createWalletWorld({ variables: { ROUTEPLANE_WALLET_PASSWORD: 'from the environment' } })
    writeFileSync(join(world.directory, 'pw'), 'from the file\r\nsecond line\n')
    expect((await world.run('wallet', 'create', '--password-file', 'pw')).code).toBe(0)
    expect(calls).toMatchObject([{ password: 'from the file' }])
  })

  it('asks twice, hidden', async () => {
    const { world, calls } = createWalletWorld({ answers: ['correct horse', 'correct horse'] })
    const { code, error } = await world.run('wallet', 'create', '--format', 'json')
    expect([code, calls.length]).toEqual([0, 1])
    expect(error).toContain('The same again')
  })

  it.each([
    ['nobody can be asked', {}, 'there is nobody to ask'],
    ['the two answers differ', { answers: ['correct horse', 'correct mule'] }, 'the two passwords differ'],
    ['it is short', { answers: ['seven77', 'seven77'] }, 'at least 8 characters'],
    ['the variable is empty', { variables: { ROUTEPLANE_WALLET_PASSWORD: '' } }, 'there is nobody to ask'],
  ])('makes nothing when %s', async (_, options, message) => {
    const { world, calls } = createWalletWorld(options)
    const { code, error } = await world.run('wallet', 'create')
    expect([code, calls]).toEqual([2, []])
    expect(error).toContain(message)
  })

  it.each([
    ['keystore_exists', 2],
    ['keystore_unsafe', 2],
    ['keystore_invalid', 4],
    ['keystore_bad_password', 4],
    ['invalid_key', 4],
  ] as const)('%s ends with %d', async (errorCode, exitCode) => {
    const create = async () => {
      throw new RouteplaneError(errorCode, 'the key file said no')
    }
    const { world } = createWalletWorld({
      variables: { ROUTEPLANE_WALLET_PASSWORD: 'correct horse' },
      engine: { keystore: { create, importKey: create, createSolana: create, importSolana: create, reveal: create, revealSolana: create } },
    })
    expect((await world.run('wallet', 'create')).code).toBe(exitCode)
  })
})

describe('a key file that is there already', () => {
  it.each(['create', 'import'])('stays as it is at wallet %s, and nobody is asked anything', async (verb) => {
    const { world, calls, keystorePath } = createWalletWorld()
    mkdirSync(dirname(keystorePath), { recursive: true })
    symlinkSync('nowhere', keystorePath)
    const { code, error } = await world.run('wallet', verb, '--format', 'json')
    expect([code, calls]).toEqual([2, []])
    expect(error).toContain('"code":"keystore_exists"')
  })
})

describe('wallet import', () => {
  const variables = { ROUTEPLANE_WALLET_PASSWORD: 'correct horse' }

  it('reads the key from standard input', async () => {
    verifies('card.wallet.silent')
    const { world, calls } = createWalletWorld({ variables, input: `${KEY}\n` })
    const { code, out, error } = await world.run('wallet', 'import')
    expect([code, calls]).toMatchObject([0, [{ privateKey: KEY, password: 'correct horse' }]])
    expect(out + error).not.toContain(KEY.slice(2, 12))
  })

  it('reads the key from a file', async () => {
    const { world, calls } = createWalletWorld({ variables })
    writeFileSync(join(world.directory, 'key'), `${KEY}\n`)
    expect((await world.run('wallet', 'import', '--key-file', 'key')).code).toBe(0)
    expect(calls).toMatchObject([{ privateKey: KEY }])
  })

  it('asks for the key, hidden', async () => {
    const { world, calls } = createWalletWorld({ variables, answers: [KEY] })
    expect((await world.run('wallet', 'import')).error).toBe('Private key (not shown): \n')
    expect(calls).toMatchObject([{ privateKey: KEY }])
  })

  it('ends with 4 when there is none, and with 2 when the file is not there', async () => {
    expect((await createWalletWorld({ variables }).world.run('wallet', 'import')).code).toBe(4)
    expect((await createWalletWorld({ variables }).world.run('wallet', 'import', '--key-file', 'gone')).code).toBe(2)
  })
})

describe('wallet export', () => {
  const variables = { ROUTEPLANE_WALLET_PASSWORD: 'correct horse' }

  it('shows nothing when nobody can be asked', async () => {
    const { world, calls } = createWalletWorld({ variables })
    const { code, out, error } = await world.run('wallet', 'export', '--format', 'json')
    expect([code, out, calls]).toEqual([2, '', []])
    expect(error).toContain('"problem":"confirmation_required"')
  })

  it.each([['n'], [''], ['yes please']])('shows nothing for %j', async (answer) => {
    const { world, calls } = createWalletWorld({ variables, answers: [answer] })
    expect([(await world.run('wallet', 'export')).code, calls]).toEqual([1, []])
  })

  it('warns, asks, asks for the password, and prints the key alone', async () => {
    const { world, calls, keystorePath } = createWalletWorld({ answers: ['y', 'correct horse'] })
    const { code, out, error } = await world.run('wallet', 'export')
    expect([code, out, calls]).toEqual([0, `${KEY}\n`, [{ path: keystorePath, password: 'correct horse' }]])
    expect(error).toContain('can spend all')
    expect(error).not.toContain(KEY.slice(2, 12))
  })

  it.each([
    ['the key of an EVM wallet', KEY, []],
    ['a key of Solana', SOLANA_KEY, ['--solana']],
  ])('gives back %s that was taken in', async (_, key, options) => {
    const world = createWorld({ variables, input: key, engine: { keystore: createEngine().keystore } })
    expect((await world.run('wallet', 'import', ...options)).code).toBe(0)
    const { code, out } = await world.run('wallet', 'export', '--yes', '--format', 'json', ...options)
    expect([code, JSON.parse(out)]).toMatchObject([0, { private_key: key }])
  })

  it('ends with 4 without a key file, and with a wrong password', async () => {
    const engine = { keystore: createEngine().keystore }
    const world = createWorld({ variables, input: KEY, engine })
    expect((await world.run('wallet', 'export', '--yes')).code).toBe(4)
    await world.run('wallet', 'import')
    writeFileSync(join(world.directory, 'pw'), 'another horse')
    expect(await world.run('wallet', 'export', '--yes', '--password-file', 'pw')).toMatchObject({ code: 4, out: '' })
  })
})

describe('wallet status', () => {
  const wallet = { address: ADDRESS, network: 'eip155:84532', asset: 'USDC', balanceUsd: parseUsd('3.1'), heldUsd: parseUsd('0.002') }
  const caps = [{ scope: 'all', window: 'day:2026-11-20', capUsd: parseUsd('5'), availableUsd: parseUsd('4.998') }]

  it('gives every amount its currency and network', async () => {
    const { world } = createWalletWorld({ routeplane: { status: async () => ({ ...emptyStatus, wallet, caps, openAttempts: 1 }) } })
    expect((await world.run('wallet', 'status')).out).toMatchInlineSnapshot(`
      "address    0x2c7536E3605D9C16a7a3D7b1898e529396a65c23
      network    eip155:84532
      balance    $3.10 USDC
      held       $0.002 USDC
      spendable  $3.098 USDC
      open       1 payment

      SCOPE  WINDOW          CAP    LEFT    ANEW (UTC)
      all    day:2026-11-20  $5.00  $4.998
      "
    `)
    expect(JSON.parse((await world.run('wallet', 'status', '--format', 'json')).out)).toMatchObject({
      balance_usd: '3.1',
      held_usd: '0.002',
      caps: [{ left_usd: '4.998' }],
    })
  })

  it('does not call an unknown balance empty', async () => {
    const { world } = createWalletWorld({
      routeplane: { status: async () => ({ ...emptyStatus, wallet: { ...wallet, balanceUsd: undefined } }) },
    })
    expect((await world.run('wallet', 'status')).out).toContain('balance    unknown (USDC): the chain could not be asked')
    expect(JSON.parse((await world.run('wallet', 'status', '--format', 'json')).out)).toMatchObject({ balance_usd: null })
  })

  it('ends with 4 when there is no wallet', async () => {
    const { world, keystorePath } = createWalletWorld()
    expect(await world.run('wallet', 'status')).toMatchObject({ code: 4, error: expect.stringContaining(keystorePath) as string })
  })
})

describe('wallet approve', () => {
  const quote = {
    ...{
      network: 'eip155:84532',
      chainName: 'Base Sepolia',
      asset: 'USDC',
      owner: ADDRESS,
      spender: '0x000000000022D473030F116dDEE9F6B43aC78BA3',
    },
    ...{ nowUsd: parseUsd('0'), mostWei: 1_234_000_000_000n, coinsWei: 10n ** 18n },
  }

  function createApproving(options: WorldOptions = {}) {
    const sent: unknown[] = []
    const allowances: AllowanceView = {
      quote: async ({ amountUsd }) => ({ ...quote, thenUsd: amountUsd }),
      approve: async (wish, quoted) => (sent.push([wish, quoted.mostWei]), `0x${'ab'.repeat(32)}`),
    }
    return { world: createWorld({ routeplane: { allowances }, ...options }), sent }
  }

  it('says what will be, asks, and sends', async () => {
    const { world, sent } = createApproving({ answers: ['y'] })
    const { code, out, error } = await world.run('wallet', 'approve', '5', '--network', 'eip155:84532', '--token', 'usdc')
    expect([code, sent]).toEqual([0, [[{ amountUsd: parseUsd('5'), network: 'eip155:84532', token: 'usdc' }, 1_234_000_000_000n]]])
    for (const part of ['$0.00 USDC', '$5.00 USDC', '0.000001234', ADDRESS, quote.spender]) expect(error).toContain(part)
    expect(out).toContain(`0x${'ab'.repeat(32)}`)
  })

  it.each<[string, readonly string[], WorldOptions, number]>([
    ['a no', ['5'], { answers: ['n'] }, 1],
    ['nobody to ask', ['5'], {}, 2],
    ['no limit', ['unlimited'], { answers: ['y'] }, 2],
    ['no amount', [], { answers: ['y'] }, 2],
    ['what is so already', ['0', '--yes'], {}, 0],
  ])('sends nothing for %s', async (_, args, options, exitCode) => {
    const { world, sent } = createApproving(options)
    expect([(await world.run('wallet', 'approve', ...args)).code, sent]).toEqual([exitCode, []])
  })

  it.each(['unknown_asset', 'unknown_network'] as const)('a name that is none is a fault of the command line: %s', async (code) => {
    const allowances: AllowanceView = {
      quote: () => Promise.reject(new RouteplaneError(code, 'DOGE is not in our table')),
      approve: () => Promise.reject(new Error('not reached')),
    }
    const { world } = createApproving({ routeplane: { allowances } })
    const { code: exitCode, error } = await world.run('wallet', 'approve', '5', '--token', 'DOGE')
    expect([exitCode, error]).toEqual([2, expect.stringContaining('DOGE is not in our table')])
  })

  it('sends without asking where it is told to, and says so to machines', async () => {
    const { world, sent } = createApproving()
    const { code, out } = await world.run('wallet', 'approve', '0.25', '--yes', '--format', 'json')
    expect([code, sent.length]).toEqual([0, 1])
    expect(JSON.parse(out)).toMatchObject({
      before_usd: '0',
      after_usd: '0.25',
      cost_at_most: '0.000001234',
      transaction: `0x${'ab'.repeat(32)}`,
    })
  })
})
