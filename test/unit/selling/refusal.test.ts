/** What a payer is told of a payment that was refused, and that a node which does not answer refuses nothing. */
import { CallExecutionError, HttpRequestError, InternalRpcError, RpcRequestError } from 'viem'
import { describe, expect, it } from 'vitest'
import { refusalOf } from '../../../src/selling/mpp/refusal.ts'

const url = 'https://node.example/v2/secret-key'
const body = { method: 'eth_call' }

describe('the reason that a payer is told', () => {
  it('is what the node has said, without its URL', () => {
    const said = { code: -32_603, message: 'expiring nonce is too far in the future\nand more' }
    const cause = new CallExecutionError(new InternalRpcError(new RpcRequestError({ body, error: said, url })), {})
    expect(cause.message).toContain(url)
    expect(refusalOf(cause)).toBe('expiring nonce is too far in the future')
  })

  it('is what the official server has said', () => {
    expect(refusalOf(new Error('no matching payment call found'))).toBe('no matching payment call found')
    expect(refusalOf(new Error('x'.repeat(1_000)))).toHaveLength(200)
    expect(refusalOf(undefined)).toBe('the payment is not valid')
  })

  it('is none when nobody has judged', () => {
    const cause = new CallExecutionError(new HttpRequestError({ body, url, status: 502 }) as never, {})
    expect(() => refusalOf(cause)).toThrow(expect.objectContaining({ code: 'facilitator_unavailable' }))
    expect(() => refusalOf(cause)).not.toThrow(expect.objectContaining({ message: expect.stringContaining('secret') as string }))
  })
})
