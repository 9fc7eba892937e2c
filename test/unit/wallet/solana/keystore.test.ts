/** The file of a Solana key: sealed, opened with the same password, and no other file is taken for one. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createKeystore } from '../../../../src/wallet/keystore.ts'
import { createSolanaKeystore, openSolanaKeystore, readSolanaKeystoreAddress } from '../../../../src/wallet/solana/keystore.ts'
import { createFolder } from '../../../support/folder.ts'

const password = 'correct horse'
const scryptN = 8_192

describe('the key file of Solana', () => {
  it('is opened with its password, to the key that it names', async () => {
    const path = join(createFolder('solana'), 'solana.json')
    const address = await createSolanaKeystore({ path, password, scryptN })
    expect(await readSolanaKeystoreAddress(path)).toBe(address)
    expect((await openSolanaKeystore({ path, password })).address).toBe(address)
    await expect(openSolanaKeystore({ path, password: 'another' })).rejects.toMatchObject({ code: 'keystore_bad_password' })
    await expect(createSolanaKeystore({ path, password, scryptN })).rejects.toMatchObject({ code: 'keystore_exists' })
  })

  it('is refused when it names another address than its key has', async () => {
    const [path, other] = [join(createFolder('solana'), 'solana.json'), join(createFolder('solana'), 'other.json')]
    const address = await createSolanaKeystore({ path, password, scryptN })
    const stranger = await createSolanaKeystore({ path: other, password, scryptN })
    writeFileSync(path, readFileSync(path, 'utf8').replace(address, stranger))
    await expect(openSolanaKeystore({ path, password })).rejects.toMatchObject({ code: 'keystore_invalid' })
  })

  it('is not the file of the EVM wallet', async () => {
    const path = join(createFolder('solana'), 'wallet.json')
    await createKeystore({ path, password, scryptN })
    await expect(readSolanaKeystoreAddress(path)).rejects.toMatchObject({ code: 'keystore_invalid' })
  })
})
