import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createPolicy } from '../../../src/wallet/policy.ts'
import { createLocalWallet } from '../../../src/wallet/local-wallet.ts'
import { readPrivateKey } from '../../../src/wallet/key.ts'
import { systemClock } from '../../../src/lib/clock.ts'

const canary = '4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'

function everyForm(value: unknown): string {
  const forms = [
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    inspect({ nested: [value] }, { depth: 20, showHidden: true }),
    JSON.stringify({ value }),
    JSON.stringify(Object.getOwnPropertyDescriptors(value)),
    String(value),
    `${value as string}`,
    Object.keys(value as object).join(),
    Reflect.ownKeys(value as object)
      .map((name) => String((value as Record<PropertyKey, unknown>)[name]))
      .join(),
  ]
  return forms.join('\n').toLowerCase()
}

describe('a private key', () => {
  it.each([canary, `0x${canary}`, `0x${canary.toUpperCase()}`, `\t${canary}\r\n`])('is read from %j', async (text) => {
    expect((await readPrivateKey(text)).address).toBe('0x2c7536E3605D9C16a7a3D7b1898e529396a65c23')
  })

  it.each([
    '',
    '0x',
    canary.slice(1),
    `${canary}0`,
    `0x0x${canary}`,
    canary.replace('4', 'g'),
    `${canary.slice(0, 32)} ${canary.slice(32)}`,
    '0'.repeat(64),
    'f'.repeat(64),
    'test test test test test test test test test test test junk',
  ])('is refused when it is %j, without a word of it', async (text) => {
    const error = await readPrivateKey(text).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'invalid_key' })
    if (text.length > 3) expect(inspect(error, { depth: 20 })).not.toContain(text)
  })

  it('prints as its address in every way', async () => {
    const key = await readPrivateKey(canary)
    const wallet = createLocalWallet({ key, policy: createPolicy({ clock: systemClock }) })
    for (const value of [key, wallet]) {
      const forms = everyForm(value)
      expect(forms).toContain(key.address.toLowerCase())
      expect(forms).not.toContain(canary)
      expect(forms).not.toContain(BigInt(`0x${canary}`).toString())
    }
    expect(`${key}`).toBe(`[wallet ${key.address}]`)
    expect(structuredClone(Object.fromEntries(Object.entries(key)))).toEqual({ address: key.address })
  })
})
