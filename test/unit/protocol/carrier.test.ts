/** Signatures come back to their issuer byte for byte, and to nobody else. */
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import type { SignatureCarrier } from '../../../src/completion/part.ts'
import type { Turn } from '../../../src/completion/request.ts'
import { isEnvelope, mayReplay, replayReasoning, unwrapCarrier, wrapCarrier } from '../../../src/protocol/carrier.ts'

const text = fc.string({ unit: 'binary', maxLength: 40 })
const carriers: fc.Arbitrary<SignatureCarrier> = fc.record(
  {
    wire: fc.constantFrom('chat_completions', 'responses', 'messages', 'generate_content'),
    kind: fc.constantFrom('signature', 'redacted', 'encrypted_content', 'thought_signature', 'reasoning_details'),
    value: fc.oneof(text, fc.constant('\ud800 alone')),
    provider: text,
    modelFamily: text,
    itemId: text,
  },
  { requiredKeys: ['wire', 'kind', 'value'] },
)

describe('wrapCarrier', () => {
  it('comes back the same in both forms', () => {
    fc.assert(
      fc.property(carriers, (carrier) => {
        expect(unwrapCarrier(wrapCarrier(carrier))).toEqual(carrier)
        expect(unwrapCarrier(wrapCarrier(carrier, 'base64'))).toEqual(carrier)
      }),
    )
  })

  it('is one word of harmless characters, or valid base64 where the slot demands it', () => {
    fc.assert(
      fc.property(carriers, (carrier) => {
        expect(wrapCarrier(carrier)).toMatch(/^rp1\.[A-Za-z0-9_-]+$/)
        const slot = wrapCarrier(carrier, 'base64')
        expect(Buffer.from(slot, 'base64').toString('base64')).toBe(slot)
        expect(isEnvelope(slot)).toBe(true)
      }),
    )
  })

  it('does not read an envelope with any one character changed or cut, and still knows it as ours', () => {
    fc.assert(
      fc.property(carriers, fc.nat(), fc.constantFrom('A', 'z', '-', '!', ''), (carrier, place, character) => {
        const envelope = wrapCarrier(carrier)
        const at = 4 + (place % (envelope.length - 4))
        const damaged = envelope.slice(0, at) + character + envelope.slice(at + 1)
        fc.pre(damaged !== envelope)
        expect(unwrapCarrier(damaged)).toBeUndefined()
        expect(isEnvelope(damaged)).toBe(true)
      }),
    )
  })

  it('does not take a provider’s own signature for an envelope', () => {
    for (const native of ['', 'rp1', 'gAAAAABo', 'EqQBCkYIBxgCKkBm', 'skip_thought_signature_validator']) {
      expect(isEnvelope(native)).toBe(false)
      expect(unwrapCarrier(native)).toBeUndefined()
    }
  })

  it('reads nothing but what it wrote: other fields under a right checksum are refused', () => {
    const forged = wrapCarrier({ wire: 'elsewhere', kind: 'signature', value: 'x' } as unknown as SignatureCarrier)
    expect(unwrapCarrier(forged)).toBeUndefined()
    expect(unwrapCarrier(wrapCarrier({ wire: 'messages', kind: 'signature', value: 7 } as unknown as SignatureCarrier))).toBeUndefined()
    expect(unwrapCarrier('rp1.')).toBeUndefined()
  })
})

describe('mayReplay', () => {
  const carrier: SignatureCarrier = { wire: 'messages', kind: 'signature', value: 's', provider: 'acme', modelFamily: 'opus' }

  it.each([
    [{ wire: 'messages', provider: 'acme', modelFamily: 'opus' }, true],
    [{ wire: 'messages', provider: 'other', modelFamily: 'opus' }, false],
    [{ wire: 'messages', provider: 'acme', modelFamily: 'haiku' }, false],
    [{ wire: 'responses', provider: 'acme', modelFamily: 'opus' }, false],
    [{ wire: 'messages' }, false],
  ] as const)('to %j: %s', (target, expected) => {
    expect(mayReplay(carrier, target)).toBe(expected)
  })

  it('lets a caller’s own signature go wherever its wire is spoken', () => {
    expect(mayReplay({ wire: 'messages', kind: 'signature', value: 's' }, { wire: 'messages', provider: 'anyone' })).toBe(true)
  })
})

const signed = (provider: string): Turn => ({
  role: 'assistant',
  parts: [
    { type: 'reasoning', form: 'full', text: ['hm'], carriers: [{ wire: 'messages', kind: 'signature', value: 's', provider }] },
    { type: 'text', text: 'hello' },
  ],
})

describe('replayReasoning', () => {
  const target = { wire: 'messages', provider: 'acme' } as const

  it('leaves a history alone that all belongs to the target', () => {
    const turns = [signed('acme'), signed('acme')]
    expect(replayReasoning(turns, target)).toEqual({ turns, losses: [] })
    expect(replayReasoning(turns, target).turns).toBe(turns)
  })

  it('takes carriers off text and calls, and keeps both', () => {
    const carriersOfOther = [{ wire: 'generate_content', kind: 'thought_signature', value: 'g' }] as const
    const turns: Turn[] = [
      {
        role: 'assistant',
        parts: [
          { type: 'text', text: 'a', carriers: carriersOfOther },
          { type: 'tool-call', id: '1', name: 'f', arguments: { kind: 'json', text: '{}', value: {} }, carriers: carriersOfOther },
        ],
      },
    ]
    const { turns: stripped, losses } = replayReasoning(turns, target)
    expect(stripped[0]?.parts).toEqual([
      { type: 'text', text: 'a' },
      { type: 'tool-call', id: '1', name: 'f', arguments: { kind: 'json', text: '{}', value: {} } },
    ])
    expect(losses.map(({ feature, action }) => [feature, action])).toEqual([
      ['reasoning.signature', 'omitted'],
      ['reasoning.signature', 'omitted'],
    ])
  })
})
