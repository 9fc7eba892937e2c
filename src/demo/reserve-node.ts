/** A local Tempo for sellers: its node, told of channels that are opened before they are, as the network's own reserve would know. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tempoReserveAddress } from '../../contracts-abi/tempo-channels.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import { channelReserveCode } from './channel-reserve-artifact.ts'
import { installContract } from './install-contract.ts'
import { announceOpenings } from './session-provider.ts'
import type { TempoNetwork } from './tempo-network.ts'

/**
 * Puts the stand-in of the reserve on a local Tempo, and serves that chain's own node but for what the stand-in has to be told of a
 * transaction beforehand.
 */
export async function startReserveNode({ anvil }: TempoNetwork): Promise<{ readonly url: string; stop(): void }> {
  await installContract(anvil.rpc, tempoReserveAddress, channelReserveCode)
  const inTurn = announceOpenings(anvil.rpc)
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      void (async () => {
        const body = Buffer.concat(chunks).toString()
        const asked = parseJson(body) as { method: string; params?: readonly unknown[] }
        const text = await inTurn(asked, async () => {
          const answer = await fetch(anvil.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
          return answer.text()
        })
        const said = asked.method === 'eth_fillTransaction' ? withRoom(text) : text
        outgoing.writeHead(200, { 'content-type': 'application/json' }).end(said)
      })().catch(() => outgoing.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}

/** The node does not know what an opening does, and leaves too little for it. */
function withRoom(text: string): string {
  const answer = parseJson(text)
  const result = isRecord(answer) ? answer['result'] : undefined
  const tx = isRecord(result) ? result['tx'] : undefined
  const gas = isRecord(tx) ? tx['gas'] : undefined
  if (!isRecord(answer) || !isRecord(result) || !isRecord(tx) || typeof gas !== 'string') return text
  return JSON.stringify({ ...answer, result: { ...result, tx: { ...tx, gas: `0x${(BigInt(gas) * 3n).toString(16)}` } } })
}
