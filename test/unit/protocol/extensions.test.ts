/** Our own request fields: what is read, what is refused and where, and that a cap said twice must agree. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatUsd, parseUsd, parseUsdPerMillion } from '../../../src/money.ts'
import { extensionFields, readExtensions, type Extensions } from '../../../src/protocol/extensions.ts'

function read(json: Record<string, unknown>, headers: Record<string, string> = {}, query = ''): Extensions {
  return readExtensions(json, headers, new URLSearchParams(query))
}

const refusal = (code: string, path: string): unknown => expect.objectContaining({ code, details: { path } })

describe('readExtensions', () => {
  it('reads nothing from nothing', () => {
    expect(read({ model: 'a', messages: [], unknown: 1 })).toEqual({})
    expect(read({ models: null, provider: null, preset: null, routeplane: null, max_cost_usd: null })).toEqual({})
  })

  it('reads all of its own object', () => {
    expect(
      read({
        routeplane: { max_cost_usd: '0.25', payment: { prefer: ['x402', 'byok'] }, preset: 'careful', strict: true, on_unknown: 'fail' },
      }),
    ).toEqual({
      maxCostUsd: parseUsd('0.25'),
      paymentPrefer: ['x402', 'byok'],
      preset: 'careful',
      strict: true,
      onUnknown: 'fail',
    })
  })

  it('reads headers and the query', () => {
    const headers = {
      'x-routeplane-max-cost': '0.01',
      'x-routeplane-payment': 'x402, byok',
      'x-routeplane-preset': 'careful',
      'x-routeplane-strict': '1',
      'idempotency-key': 'k-1',
    }
    expect(read({}, headers)).toEqual({
      maxCostUsd: parseUsd('0.01'),
      paymentPrefer: ['x402', 'byok'],
      preset: 'careful',
      strict: true,
      idempotencyKey: 'k-1',
    })
    expect(read({}, {}, 'preset=careful&beta=true')).toEqual({ preset: 'careful' })
    expect(read({ routeplane: { payment: { prefer: 'x402' } } })).toEqual({ paymentPrefer: ['x402'] })
  })

  it("reads OpenRouter's provider rules in their own units", () => {
    const provider = {
      order: ['a', 'b'],
      only: ['a'],
      ignore: ['c'],
      allow_fallbacks: false,
      require_parameters: true,
      quantizations: ['fp8'],
      sort: { by: 'price', partition: 'none' },
      max_price: { prompt: 1, completion: '2.5', request: '0.01', image: 0 },
      data_collection: 'allow',
      zdr: false,
    }
    expect(read({ provider }).provider).toEqual({
      order: ['a', 'b'],
      only: ['a'],
      ignore: ['c'],
      allowFallbacks: false,
      requireParameters: true,
      quantizations: ['fp8'],
      sort: 'price',
      maxPrice: { prompt: parseUsdPerMillion('1'), completion: parseUsdPerMillion('2.5'), request: parseUsd('0.01'), image: parseUsd('0') },
    })
  })

  it.each([
    [{ models: 'a' }, 'invalid_request', 'models'],
    [{ models: [] }, 'invalid_request', 'models'],
    [{ models: ['a', 5] }, 'invalid_request', 'models[1]'],
    [{ models: [''] }, 'invalid_request', 'models[0]'],
    [{ models: Array.from({ length: 9 }, () => 'a') }, 'invalid_request', 'models'],
    [{ provider: 'acme' }, 'invalid_request', 'provider'],
    [{ provider: { only: 'acme' } }, 'invalid_request', 'provider.only'],
    [{ provider: { onyl: ['acme'] } }, 'invalid_request', 'provider'],
    [{ provider: { max_price: { prompt: '-1' } } }, 'invalid_request', 'provider.max_price.prompt'],
    [{ provider: { max_price: { prompt: 1e-9 } } }, 'invalid_request', 'provider.max_price.prompt'],
    [{ provider: { data_collection: 'deny' } }, 'unsupported_parameter', 'provider.data_collection'],
    [{ provider: { zdr: true } }, 'unsupported_parameter', 'provider.zdr'],
    [{ preset: 5 }, 'invalid_request', 'preset'],
    [{ preset: '../etc' }, 'invalid_request', 'preset'],
    [{ routeplane: [] }, 'invalid_request', 'routeplane'],
    [{ routeplane: { max_cost: '1' } }, 'invalid_request', 'routeplane'],
    [{ routeplane: { on_unknown: 'retry' } }, 'invalid_request', 'routeplane.on_unknown'],
    [{ routeplane: { payment: { prefer: ['X402!'] } } }, 'invalid_request', 'routeplane.payment.prefer[0]'],
    [{ routeplane: { strict: 'yes' } }, 'invalid_request', 'routeplane.strict'],
  ])('refuses %j', (json, code, path) => {
    expect(() => read(json)).toThrow(refusal(code, path) as Error)
  })

  it.each([
    ['x-routeplane-strict', 'yes', 'invalid_request'],
    ['x-routeplane-payment', 'x402,,', 'invalid_request'],
    ['x-routeplane-preset', 'a b', 'invalid_request'],
    ['idempotency-key', '', 'invalid_idempotency_key'],
    ['idempotency-key', 'x'.repeat(10_240), 'invalid_idempotency_key'],
    ['idempotency-key', 'a\u00e9', 'invalid_idempotency_key'],
  ])('refuses the header %s: %j', (name, value, code) => {
    expect(() => read({}, { [name]: value })).toThrow(refusal(code, name) as Error)
  })

  it.each([
    [{ preset: 'a', routeplane: { preset: 'b' } }, {}, 'routeplane.preset'],
    [{ preset: 'a' }, { 'x-routeplane-preset': 'b' }, 'x-routeplane-preset'],
    [{ routeplane: { strict: false } }, { 'x-routeplane-strict': '1' }, 'x-routeplane-strict'],
    [{ routeplane: { payment: { prefer: ['byok'] } } }, { 'x-routeplane-payment': 'x402' }, 'x-routeplane-payment'],
  ])('refuses what is said twice and differs: %j', (json, headers, path) => {
    expect(() => read(json, headers as Record<string, string>)).toThrow(refusal('invalid_request', path) as Error)
  })
})

describe('the cap', () => {
  it.each(['0', '0.000001', '0.5', '12', '0.50', '999999'])('reads %s exactly, as text and as number', (text) => {
    expect(read({ max_cost_usd: text }).maxCostUsd).toBe(parseUsd(text))
    expect(read({ routeplane: { max_cost_usd: Number(text) } }).maxCostUsd).toBe(parseUsd(text))
  })

  it.each([
    '',
    ' ',
    '-1',
    '+1',
    '1e3',
    '1e-7',
    '0x10',
    'Infinity',
    'NaN',
    '1,5',
    '1_000',
    '.5',
    '5.',
    '0.0000001',
    '9'.repeat(31),
    '0.1234567890123456789',
    '٣',
    '1 ',
  ])('refuses %j wherever it stands', (text) => {
    const tries = [
      () => read({ max_cost_usd: text }),
      () => read({ routeplane: { max_cost_usd: text } }),
      () => read({}, { 'x-routeplane-max-cost': text }),
      () => read({}, { 'x-routeplane-max-cost-usd': text }),
    ]
    for (const attempt of tries) expect(attempt).toThrow(expect.objectContaining({ code: 'invalid_max_cost' }) as Error)
  })

  it.each([-1, 1e-7, 1e21, Number.NaN, Number.POSITIVE_INFINITY, true, [], {}, ['1']])('refuses the value %j', (value) => {
    expect(() => read({ max_cost_usd: value })).toThrow(refusal('invalid_max_cost', 'max_cost_usd') as Error)
  })

  it('is refused when it is said twice and differs, and taken when it is the same amount', () => {
    expect(() => read({ max_cost_usd: '0.01' }, { 'x-routeplane-max-cost-usd': '5' })).toThrow(
      refusal('conflicting_max_cost', 'x-routeplane-max-cost-usd') as Error,
    )
    expect(() => read({ max_cost_usd: '0.01', routeplane: { max_cost_usd: '0.02' } })).toThrow(
      expect.objectContaining({ code: 'conflicting_max_cost' }) as Error,
    )
    expect(() => read({}, { 'x-routeplane-max-cost': '1', 'x-routeplane-max-cost-usd': '2' })).toThrow(
      expect.objectContaining({ code: 'conflicting_max_cost' }) as Error,
    )
    expect(read({ max_cost_usd: 0.5 }, { 'x-routeplane-max-cost': '0.50' }).maxCostUsd).toBe(parseUsd('0.5'))
  })

  it('never reads a number as another amount than JavaScript writes for it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.000001, max: 1_000_000, noNaN: true }), (value) => {
        const text = String(value)
        if (!/^\d+(?:\.\d{1,18})?$/.test(text)) return
        expect(formatUsd(read({ max_cost_usd: value }).maxCostUsd ?? parseUsd('0'))).toBe(text)
      }),
    )
  })

  it('is among the fields that no upstream sees', () => {
    expect(extensionFields).toEqual(['models', 'provider', 'preset', 'routeplane', 'max_cost_usd'])
  })
})
