/** A gateway that sells what it buys: its config, one sale, both legs of it and what is left. Ends with 0 when the books agree with the chain. */
import { readFileSync } from 'node:fs'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { configFile, dollars, openMarket } from './market.ts'

const market = await openMarket()
const { accounts, balanceOf, routeplane } = market
try {
  process.stdout.write(`routeplane.yaml\n\n${readFileSync(configFile, 'utf8')}\n`)
  const buyer = await market.createBuyer()
  const walletBefore = await balanceOf(accounts.wallet)

  const pay = wrapFetchWithPayment(fetch, new x402Client().register('eip155:*', new ExactEvmScheme(buyer)))
  const answer = await pay(`${market.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo/echo', max_tokens: 20, messages: [{ role: 'user', content: 'hello' }] }),
  })
  if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}: ${await answer.text()}`)
  await answer.text()

  const [sold] = await routeplane.sales.list({ limit: 1 })
  if (sold?.sale.amountSettled === undefined || sold.spentUsd === undefined) throw new Error('one leg of the sale is not settled')
  const [bought] = await routeplane.receipts.list({ requestId: sold.sale.requestId, limit: 1 })
  const paidIn = await balanceOf(accounts.seller)
  const paidOut = walletBefore - (await balanceOf(accounts.wallet))
  process.stdout.write(`in      ${dollars(paidIn)}  ${sold.sale.transaction}\n`)
  process.stdout.write(`out     ${dollars(paidOut)}  ${bought?.payment?.transaction}\n`)
  process.stdout.write(`margin  ${dollars(paidIn - paidOut)}\n`)

  const agrees = sold.sale.amountSettled === paidIn && bought?.payment?.amountSettled === paidOut
  if (!agrees || paidIn <= paidOut) throw new Error('the books do not agree with the chain')
  process.stdout.write('the books agree with the chain\n')
} finally {
  await market.close()
}
