/** Whose key goes where: each provider gets its own and nobody else's. */
import { describe, expect, it } from 'vitest'
import { findApiKey, keyHeaders } from '../../../src/access/api-key.ts'
import { Secret } from '../../../src/lib/log.ts'
import { provider } from '../registry/fixture.ts'
import { verifies } from '../../support/verifies.ts'

const environment = new Map([
  ['ACME_API_KEY', ' acme-key\n'],
  ['EMPTY_API_KEY', '  '],
  ['BROKEN_API_KEY', 'a\r\nhost: evil'],
])
const configured = new Map([['own', new Secret('own-key')]])
const access = (env: string) => ({ kind: 'api_key', env, extraHeaders: {} }) as const

function variable(name: string): Secret | undefined {
  const value = environment.get(name)
  return value === undefined ? undefined : new Secret(value)
}

function keyOf(...made: Parameters<typeof provider>): string | undefined {
  return findApiKey(provider(...made), { configured: (id) => configured.get(id), variable })?.reveal()
}

describe('findApiKey', () => {
  it('reads a registry provider’s own variable, without the blanks around it', () => {
    expect(keyOf('acme', { access: access('ACME_API_KEY') })).toBe('acme-key')
  })

  it('takes an unset or empty variable for no key', () => {
    expect(keyOf('acme', { access: access('NOT_SET_API_KEY') })).toBeUndefined()
    expect(keyOf('acme', { access: access('EMPTY_API_KEY') })).toBeUndefined()
  })

  it('gives a config provider the key of its block, never a variable’s', () => {
    expect(keyOf('own', { source: 'config', access: access('ACME_API_KEY') })).toBe('own-key')
    expect(keyOf('acme', { source: 'config', access: access('ACME_API_KEY') })).toBeUndefined()
  })

  it('looks for nothing where nothing is asked for', () => {
    expect(keyOf('acme', { access: { kind: 'none' } })).toBeUndefined()
  })

  it('refuses a key that would break out of its header, without showing it', () => {
    let message = ''
    try {
      keyOf('acme', { access: access('BROKEN_API_KEY') })
    } catch (error) {
      message = `${(error as Error).message} ${JSON.stringify(error)}`
    }
    expect(message).toContain('BROKEN_API_KEY')
    expect(message).not.toContain('evil')
  })
})

const authorize = (key: string) => ({ 'x-api-key': key })

describe('keyHeaders', () => {
  it.each([
    [{ access: access('A') }, { 'x-api-key': 'k' }],
    [{ access: { ...access('A'), header: 'authorization' } }, { authorization: 'Bearer k' }],
    [{ access: { ...access('A'), header: 'x-goog-api-key' } }, { 'x-goog-api-key': 'k' }],
  ])('of %o are %o', (more, headers) => {
    verifies('listing.auth.location')
    expect(keyHeaders(provider('a', more), 'k', authorize)).toEqual(headers)
  })
})
