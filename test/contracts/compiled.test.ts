import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compileContract, contractTargets } from '../../scripts/compile-contracts.ts'

describe('compiled contracts', () => {
  it.each(contractTargets.map((target) => [target.contract, target] as const))('%s is what its source compiles to', (_, target) => {
    expect(readFileSync(target.target, 'utf8')).toContain(`'${compileContract(target)}'`)
  })
})
