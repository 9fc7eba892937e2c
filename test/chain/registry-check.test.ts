/** `registry check` of providers that sell answers: the 402 they send, and one answer bought through the engine. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createEngine } from '../../src/cli/engine.ts'
import { evmCharge } from '../../src/demo/mpp-method.ts'
import { startMppProvider } from '../../src/demo/mpp-provider.ts'
import type { Faults, PaidProvider } from '../../src/demo/paid-provider.ts'
import type { CheckReport } from '../../src/registry/check/check.ts'
import { createWorld } from '../cli/fake-context.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { verifies } from '../support/verifies.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000003', completion: '0.000015' }

type Checked = Pick<PaidProvider, 'id' | 'baseUrl' | 'modelsUrl' | 'payTo'>

async function check(provider: Checked, args: readonly string[], more = '', mode: 'x402' | 'mpp' = 'x402') {
  const { network, rpcUrl, payer } = current()
  const world = createWorld({ variables: { PAYER_KEY: payer.privateKey.reveal() }, engine: createEngine() })
  const manifest = `id: ${provider.id}
name: Demo
endpoint: ${provider.baseUrl}
models_url: ${provider.modelsUrl}
contact: ops@demo.dev
payment:
  modes: [${mode}]
  x402_address: "${provider.payTo}"
  ${mode}: { networks: ["${network}"] }
${more}`
  const config = `skip_auth: true
budget: { per_request_usd: "0.05", per_day_usd: "1" }
wallet: { network: testnet, key_env: PAYER_KEY, rpc: { "${network}": "${rpcUrl}" } }
ledger: { path: ./ledger.db }
log: { level: error }
`
  writeFileSync(join(world.directory, `${provider.id}.yaml`), manifest)
  writeFileSync(join(world.directory, 'routeplane.yaml'), config)
  const { code, out, error } = await world.run('registry', 'check', `${provider.id}.yaml`, '--allow-loopback', '--format', 'json', ...args)
  const rows = (JSON.parse(out) as CheckReport).groups.flatMap((group) => group.rows)
  return {
    code,
    error,
    failed: rows.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id),
    row: (id: string) => {
      const found = rows.find((each) => each.id === id)
      return `${found?.verdict}: ${found?.evidence}`
    },
  }
}

const earned = (provider: Checked) => current().chain.balanceOf(current().asset.address, provider.payTo)
const start = (faults: Faults = {}) => current().startProvider({ id: 'seller', prices, faults })

describe('a provider that sells answers', () => {
  it('is asked for its 402 and paid nothing without --pay', async () => {
    const provider = await start()
    const { code, failed, row } = await check(provider, [])
    expect([code, failed]).toEqual([0, []])
    expect(row('pay.402')).toMatch(/^pass: 1 offers: exact \$0\.00\d+ in USDC on eip155:84532 to 0x/)
    expect(row('pay.amount')).toMatch(/^pass: asks \$0\.00\d+; the price list bounds the call at \$0\.00\d+$/)
    expect(row('test.basic')).toBe('not_checked: every answer has to be paid for; --pay buys one')
    expect(row('paid.answer')).toBe('not_checked: give --pay to buy one answer')
    expect(await earned(provider)).toBe(0n)
  })

  it('is paid once for one answer, also while it is staged', async () => {
    verifies('register.pay.x402')
    const provider = await start()
    const { code, failed, row, error } = await check(provider, ['--pay', '--max-cost', '0.02'], 'status: staging\n')
    expect([code, failed, error]).toEqual([0, [], ''])
    expect(row('paid.answer')).toBe('pass: "seller heard: Answer with the single word: hello"')
    expect(row('paid.receipt')).toMatch(/^pass: pay_\w+, \w+, 0x[0-9a-f]{64}$/)
    expect(row('paid.price')).toMatch(/^pass: paid \$0\.00\d+; the tokens cost \$0\.000\d+ by the price list$/)
    expect([(await earned(provider)) > 0n, provider.counters.paid]).toEqual([true, 1])
  })

  it('is checked and paid in the words of MPP when its manifest names that', async () => {
    const { asset, facilitator } = current()
    const methods = [evmCharge({ asset, payTo: randomHex(20), facilitator: facilitator.client })]
    const provider = await startMppProvider({ id: 'seller', prices, methods })
    onTestFinished(() => provider.stop())
    const { code, failed, row } = await check(provider, ['--pay', '--max-cost', '0.02'], '', 'mpp')
    expect([code, failed]).toEqual([0, []])
    expect(row('pay.402')).toMatch(/^pass: 1 offers: evm\/charge \$0\.00\d+ in USDC on eip155:84532 to 0x/)
    expect(row('paid.receipt')).toMatch(/^pass: pay_\w+, \w+, 0x[0-9a-f]{64}$/)
    expect((await earned(provider)) > 0n).toBe(true)
  })

  it('is not paid above the cap', async () => {
    const provider = await start()
    const { code, row } = await check(provider, ['--pay', '--max-cost', '0.00001'])
    expect([code, row('paid.answer')]).toEqual([1, expect.stringContaining('money untouched')])
    expect(await earned(provider)).toBe(0n)
  })

  const nobody = '0x000000000000000000000000000000000000dEaD'
  it.each<[string, Faults['mutateChallenge'], string]>([
    ['wants another paid', (offers) => offers.map((offer) => ({ ...offer, payTo: nobody })), 'pay.payee'],
    ['wants another token', (offers) => offers.map((offer) => ({ ...offer, asset: nobody })), 'pay.asset'],
    [
      'wants another network',
      (offers) => offers.map((offer) => ({ ...offer, network: 'eip155:1', asset: '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48' })),
      'pay.network',
    ],
    ['wants ten times its price', (offers) => offers.map((offer) => ({ ...offer, amount: `${offer.amount}0` })), 'pay.amount'],
  ])('is caught when it %s', async (_, mutateChallenge, id) => {
    verifies('register.terms.honest_metadata')
    const provider = await start(mutateChallenge === undefined ? {} : { mutateChallenge })
    const { code, failed } = await check(provider, [])
    expect([code, failed]).toEqual([1, ['pay.offer', id]])
  })
})
