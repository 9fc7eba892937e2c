/** What a facilitator is shown of the chain: early, once, and never for longer than it holds. */
import { describe, expect, it } from 'vitest'
import { createLooks } from '../../../src/selling/facilitator/looks.ts'

const payer = '0x90F79bf6EB2c4f870365E785982E1f101E93b906'
const asset = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
const authorization = { from: payer, to: asset, value: '7', validAfter: '0', validBefore: '99', nonce: `0x${'11'.repeat(32)}` }
const payment = { payload: { authorization, signature: `0x${'22'.repeat(32)}${'33'.repeat(32)}1b` } }
const call = {
  address: asset,
  abi: [],
  functionName: 'transferWithAuthorization',
  args: [payer, asset, 7n, 0n, 99n, authorization.nonce, 27n, `0x${'22'.repeat(32)}`, `0x${'33'.repeat(32)}`],
} as const

function chain(fails = false) {
  const asked: string[] = []
  const answer = <T>(what: string, value: T) => {
    asked.push(what)
    return fails ? Promise.reject(new Error('no answer')) : Promise.resolve(value)
  }
  const looks = createLooks({
    getCode: ({ address }) => answer(`code ${address}`, '0x' as const),
    readContract: ({ functionName, args = [] }) => answer([functionName, ...args].map(String).join(' '), undefined),
  })
  return { asked, looks }
}

describe('looks', () => {
  it('ask for everything at once, and not again when it is asked for', async () => {
    const { asked, looks } = chain()
    looks.ahead(payment, { asset })
    expect(asked).toHaveLength(2)
    await looks.getCode({ address: payer })
    await looks.getCode({ address: payer })
    await looks.readContract(call)
    expect(asked).toHaveLength(2)
  })

  it('give one answer to one question: a settlement asks the chain of its own moment', async () => {
    const { asked, looks } = chain()
    looks.ahead(payment, { asset })
    await looks.readContract(call)
    await looks.readContract(call)
    expect(asked.filter((what) => what.startsWith('transfer'))).toHaveLength(2)
  })

  it('are not mistaken for those of another payment', async () => {
    const { asked, looks } = chain()
    looks.ahead(payment, { asset })
    await looks.readContract({ ...call, args: [payer, asset, 8n, ...call.args.slice(3)] })
    expect(asked.filter((what) => what.startsWith('transfer'))).toHaveLength(2)
  })

  it('do not remember that nobody has answered', async () => {
    const { asked, looks } = chain(true)
    for (const _time of [1, 2]) await expect(looks.getCode({ address: payer })).rejects.toThrow('no answer')
    expect(asked).toHaveLength(2)
  })

  it.each([{}, { authorization: 1, signature: 'x' }, { authorization: { from: 'me' }, signature: payment.payload.signature }])(
    'leave alone what is no authorization: %j',
    (payload) => {
      const { asked, looks } = chain()
      looks.ahead({ payload }, { asset })
      expect(asked).toEqual([])
    },
  )
})
