import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  DEFAULT_SCRYPT_N,
  createKeystore,
  importKeystore,
  openKeystore,
  readKeystoreAddress,
  revealKeystore,
} from '../../../src/wallet/keystore.ts'
import { verifies } from '../../support/verifies.ts'

const scryptN = 8192
const password = 'correct horse'
const privateKey = '0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'
const address = '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'routeplane-keystore-'))
  path = join(folder, 'wallet', 'key.json')
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

type Document = { address: string; version: number; crypto: Record<string, unknown> & { kdfparams: Record<string, unknown> } }

async function edit(change: (document: Document) => void): Promise<void> {
  const document = JSON.parse(await readFile(path, 'utf8')) as Document
  change(document)
  await writeFile(path, JSON.stringify(document))
}

const refusal = (code: string, reason?: string) =>
  expect.objectContaining({ code, ...(reason === undefined ? {} : { details: expect.objectContaining({ reason }) }) })

describe('a keystore', () => {
  it('is sealed at the full cost unless told otherwise, and opens again', async () => {
    const made = await createKeystore({ path, password })
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      version: 3,
      crypto: { kdf: 'scrypt', kdfparams: { n: DEFAULT_SCRYPT_N, r: 8 } },
    })
    expect((await openKeystore({ path, password })).address).toBe(made)
    expect(await readKeystoreAddress(path)).toBe(made)
  })

  it('keeps an imported key exactly', async () => {
    verifies('card.wallet.keystore')
    expect(await importKeystore({ path, password, privateKey: ` ${privateKey.slice(2).toUpperCase()}\n`, scryptN })).toBe(address)
    expect((await revealKeystore({ path, password })).reveal()).toBe(privateKey)
    expect(await readFile(path, 'utf8')).not.toContain(privateKey.slice(2))
  })

  it('opens a keystore that another program wrote', async () => {
    // The documentation of web3.js, `eth.accounts.decrypt`, has this file and its password.
    await importKeystore({ path, password, privateKey, scryptN })
    await edit((document) => {
      document.crypto = {
        cipher: 'aes-128-ctr',
        cipherparams: { iv: '2885df2b63f7ef247d753c82fa20038a' },
        ciphertext: 'a1c25da3ecde4e6a24f3697251dd15d6208520efc84ad97397e906e6df24d251',
        kdf: 'scrypt',
        kdfparams: { dklen: 32, n: 262144, r: 8, p: 1, salt: '4531b3c174cc3ff32a6a7a85d6761b410db674807b2d216d022318ceee50be10' },
        mac: 'b8b010fff37f9ae5559a352a185e86f9b9c1d7f7a9f1bd4e82a5dd35468fc7f6',
      }
    })
    expect((await revealKeystore({ path, password: 'test!' })).reveal()).toBe(privateKey)
  })

  it('is written for its owner alone, and leaves nothing else behind', async () => {
    verifies('card.wallet.keystore')
    await createKeystore({ path, password, scryptN })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'wallet'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(folder, 'wallet'))).toEqual(['key.json'])
  })

  it('is never overwritten, not even by two writers at once', async () => {
    const writers = await Promise.allSettled([1, 2, 3, 4].map(() => createKeystore({ path, password, scryptN })))
    const made = writers.flatMap((writer) => (writer.status === 'fulfilled' ? [writer.value] : []))
    expect(made).toHaveLength(1)
    for (const writer of writers) if (writer.status === 'rejected') expect(writer.reason).toEqual(refusal('keystore_exists'))
    expect((await openKeystore({ path, password })).address).toBe(made[0])
    await expect(importKeystore({ path, password, privateKey, scryptN })).rejects.toEqual(refusal('keystore_exists'))
  })

  it('tells a wrong password and an absent file apart', async () => {
    await createKeystore({ path, password, scryptN })
    await expect(openKeystore({ path, password: 'wrong' })).rejects.toEqual(refusal('keystore_bad_password'))
    await expect(openKeystore({ path: join(folder, 'nothing.json'), password })).rejects.toEqual(refusal('keystore_missing'))
    await expect(createKeystore({ path: join(folder, 'other.json'), password: '' })).rejects.toEqual(refusal('keystore_bad_password'))
  })

  it('is refused as a symlink, as a directory, and when others may read it', async () => {
    await createKeystore({ path, password, scryptN })
    const alias = join(folder, 'alias.json')
    await symlink(path, alias)
    await expect(openKeystore({ path: alias, password })).rejects.toEqual(refusal('keystore_unsafe', 'symlink'))
    await expect(readKeystoreAddress(folder)).rejects.toEqual(refusal('keystore_unsafe', 'not_a_file'))
    for (const mode of [0o640, 0o604, 0o660]) {
      await chmod(path, mode)
      await expect(openKeystore({ path, password })).rejects.toEqual(refusal('keystore_unsafe', 'mode'))
    }
  })

  it.each<[string, string, (document: Document) => void]>([
    ['a memory bomb', 'params', ({ crypto }) => (crypto.kdfparams['n'] = 2 ** 30)],
    ['N that is no power of two', 'params', ({ crypto }) => (crypto.kdfparams['n'] = 8193)],
    ['a cheap N', 'params', ({ crypto }) => (crypto.kdfparams['n'] = 4096)],
    ['a huge r', 'params', ({ crypto }) => (crypto.kdfparams['r'] = 2 ** 20)],
    ['N too large for r', 'params', ({ crypto }) => Object.assign(crypto.kdfparams, { n: 65536, r: 1 })],
    ['a huge p', 'params', ({ crypto }) => (crypto.kdfparams['p'] = 2 ** 20)],
    ['a string for N', 'params', ({ crypto }) => (crypto.kdfparams['n'] = '8192')],
    ['a short salt', 'params', ({ crypto }) => (crypto.kdfparams['salt'] = 'ab')],
    ['a short ciphertext', 'params', ({ crypto }) => (crypto['ciphertext'] = 'abcd')],
    ['another cipher', 'cipher', ({ crypto }) => (crypto['cipher'] = 'aes-128-cbc')],
    ['another kdf', 'kdf', ({ crypto }) => (crypto['kdf'] = 'pbkdf2')],
    ['another version', 'version', (document) => (document.version = 1)],
    ['no address', 'address', (document) => (document.address = '')],
    ['the address of somebody else', 'address', (document) => (document.address = '1'.repeat(40))],
  ])('is refused with %s', async (_, reason, change) => {
    await createKeystore({ path, password, scryptN })
    await edit(change)
    await expect(openKeystore({ path, password })).rejects.toEqual(refusal('keystore_invalid', reason))
  })

  it('opens with one answer or an error for any damage', async () => {
    const made = await createKeystore({ path, password, scryptN })
    const whole = await readFile(path, 'utf8')
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 32, max: 126 }), async (at, code) => {
        await writeFile(path, whole.slice(0, at) + String.fromCharCode(code) + whole.slice(at + 1))
        const outcome = await openKeystore({ path, password }).then(
          (key) => key.address,
          (error: { code?: string }) => error.code,
        )
        expect([made, 'keystore_invalid', 'keystore_bad_password']).toContain(outcome)
      }),
      { numRuns: 60 },
    )
    await writeFile(path, whole.slice(0, whole.length / 2))
    await expect(openKeystore({ path, password })).rejects.toEqual(refusal('keystore_invalid', 'json'))
  })

  it('shows neither key nor password in anything but the file and the reveal', async () => {
    verifies('card.wallet.silent')
    const secret = 'canary-password-7731'
    const outcomes: unknown[] = [await importKeystore({ path, password: secret, privateKey, scryptN })]
    const keep = (work: Promise<unknown>) =>
      work.then(
        (value) => outcomes.push(value),
        (error) => outcomes.push(error),
      )
    await keep(importKeystore({ path, password: secret, privateKey, scryptN }))
    await keep(importKeystore({ path: join(folder, 'b.json'), password: secret, privateKey: `${privateKey}00`, scryptN }))
    await keep(importKeystore({ path: join(path, 'c.json'), password: secret, privateKey, scryptN }))
    await keep(importKeystore({ path: join(folder, 'd.json'), password: secret, privateKey, scryptN: 2 ** 30 }))
    await keep(openKeystore({ path, password: `${secret}!` }))
    await keep(openKeystore({ path, password: secret }))
    await keep(revealKeystore({ path, password: secret }))
    await edit((document) => (document.address = '1'.repeat(40)))
    await keep(openKeystore({ path, password: secret }))
    await chmod(path, 0o644)
    await keep(openKeystore({ path, password: secret }))
    const shown = outcomes
      .map((outcome) => `${inspect(outcome, { depth: 20, showHidden: true })}${JSON.stringify(outcome)}${String(outcome)}`)
      .join('\n')
    expect(outcomes).toHaveLength(10)
    expect(shown.toLowerCase()).not.toContain(privateKey.slice(2))
    expect(shown).not.toContain('canary')
    for (const name of await readdir(folder, { recursive: true })) expect(name).not.toContain('tmp')
  })
})
