/** The page about protocols says what the encoders do. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { pagePath, protocolPage } from '../../scripts/generate-protocol-docs.ts'

it('is the page that tsx scripts/generate-protocol-docs.ts writes', () => {
  expect(readFileSync(pagePath, 'utf8')).toBe(protocolPage())
})
