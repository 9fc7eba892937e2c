/** Variables in values: one pass, left to right, nothing read twice. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expand, hasReference, isExpandable } from '../../../src/config/expand.ts'

const variables = new Map([
  ['KEY', 'k-1'],
  ['NESTED', '${KEY}'],
  ['YAML', 'x\nskip_auth: true'],
])
const get = (name: string) => variables.get(name)

describe('expand', () => {
  it.each([
    ['plain text', 'plain text'],
    ['${KEY}', 'k-1'],
    ['Bearer ${KEY}, ${KEY}', 'Bearer k-1, k-1'],
    ['${NESTED}', '${KEY}'],
    ['${YAML}', 'x\nskip_auth: true'],
    ['${GONE:-fallback}', 'fallback'],
    ['${GONE:-}', ''],
    ['${KEY:-fallback}', 'k-1'],
    ['${GONE:-a:-b}', 'a:-b'],
    ['$KEY $5 $', '$KEY $5 $'],
    ['$${KEY}', '${KEY}'],
    ['$${KEY} ${KEY}', '${KEY} k-1'],
  ])('%s', (text, expected) => {
    expect(expand(text, get)).toEqual({ ok: true, text: expected })
  })

  it.each([
    ['${GONE}', 'env_not_set', 'GONE'],
    ['a ${KEY} ${GONE}', 'env_not_set', 'GONE'],
    ['${}', 'env_syntax', undefined],
    ['${KEY', 'env_syntax', undefined],
    ['${KEY-x}', 'env_syntax', undefined],
    ['${KEY:x}', 'env_syntax', undefined],
    ['${KEY:?must}', 'env_syntax', undefined],
    ['${ KEY }', 'env_syntax', undefined],
    ['${1KEY}', 'env_syntax', undefined],
    ['${KEY${KEY}}', 'env_syntax', undefined],
  ])('refuses %s', (text, code, variable) => {
    expect(expand(text, get)).toMatchObject({ ok: false, code, ...(variable === undefined ? {} : { variable }) })
  })

  it('law: whatever a variable holds comes out as it is', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(expand('<${ANY}>', () => value)).toEqual({ ok: true, text: `<${value}>` })
      }),
    )
  })

  it('law: text without a reference is left alone', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('${')),
        (text) => {
          expect(hasReference(text)).toBe(false)
          expect(expand(text, get)).toEqual({ ok: true, text })
        },
      ),
    )
  })
})

describe('isExpandable', () => {
  it.each([
    [['providers', 'acme', 'api_key'], true],
    [['providers', 'acme', 'headers', 'x-title'], true],
    [['wallet', 'rpc', 'eip155:8453'], true],
    [['auth_token'], true],
    [['providers', 'acme', 'name'], false],
    [['providers', 'acme', 'models', 0, 'id'], false],
    [['log', 'level'], false],
    [['api_key'], false],
    [['budget', 'per_day_usd'], false],
  ])('%j: %s', (path, expected) => {
    expect(isExpandable(path)).toBe(expected)
  })
})
