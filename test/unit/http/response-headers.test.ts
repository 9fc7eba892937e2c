/** Header values made of any text are values that Node accepts. */
import { validateHeaderValue } from 'node:http'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cleanHeader } from '../../../src/http/response-headers.ts'

it('makes any text a legal, bounded header value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
      const value = cleanHeader(text)
      validateHeaderValue('x', value)
      expect(value.length).toBeLessThanOrEqual(1_024)
    }),
  )
})

it('leaves ordinary text as it is', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[!-~]([ -~]{0,50}[!-~])?$/), (text) => {
      expect(cleanHeader(text)).toBe(text)
    }),
  )
})
