/** The validator that is loaded late: it judges as the SDK's own, which the programs are bundled without. */
import { describe, expect, it } from 'vitest'
import { lateValidator } from '../../../src/mcp/late-validator.ts'

describe('lateValidator', () => {
  const judge = lateValidator.getValidator({ type: 'object', properties: { approve: { type: 'boolean' } }, required: ['approve'] })

  it('takes what fits the schema', () => {
    expect(judge({ approve: true })).toEqual({ valid: true, data: { approve: true }, errorMessage: undefined })
  })

  it.each([{}, { approve: 'yes' }, null])('refuses %j with the reason', (content) => {
    expect(judge(content)).toEqual({ valid: false, data: undefined, errorMessage: expect.stringMatching(/approve|object/) as unknown })
  })
})
