/** One model, asked by four SDKs in their own wires, served by one provider of a fifth's choosing and paid on a local chain. */
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { foldParts } from '../../src/completion/fold.ts'
import { createEnvironment, withVariable } from '../../src/config/environment.ts'
import { configFrom } from '../../src/config/load.ts'
import { startDemoNetwork } from '../../src/demo/network.ts'
import { serveHttp } from '../../src/http/serve.ts'
import { silentLog } from '../../src/lib/log.ts'
import { protocols } from '../../src/protocol/index.ts'
import { createRouteplane } from '../../src/routeplane.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// A provider that speaks Chat Completions and wants to be paid, a chain of play money, and a wallet with some of it.
const network = await startDemoNetwork({ providers: [{ id: 'thrift', prices: { prompt: '0.000001', completion: '0.000005' } }] })
const home = mkdtempSync(join(tmpdir(), 'routeplane-example-'))
const [provider] = network.providers
if (provider === undefined) throw new Error('the demo network has no provider')
const environment = withVariable(createEnvironment({ ROUTEPLANE_HOME: home }, home, home), 'WALLET_KEY', network.payer.privateKey)
const config = configFrom(
  {
    skip_auth: 'true',
    providers: {
      thrift: {
        api_base: provider.baseUrl,
        models_url: provider.modelsUrl,
        payment: { modes: ['x402'], x402_address: provider.payTo },
      },
    },
    budget: { per_request_usd: '0.01' },
    wallet: { key_env: 'WALLET_KEY', rpc: { [network.network]: network.rpcUrl } },
  },
  environment,
)
const routeplane = await createRouteplane(config)
const server = await serveHttp(routeplane, { host: '127.0.0.1', port: 0, skipAuth: true, log: silentLog, protocols, foldParts })

const model = 'demo/echo'
const hello = 'hello'
const openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local' })
const anthropic = new Anthropic({ baseURL: server.url, apiKey: 'local' })
const google = new GoogleGenAI({ apiKey: 'local', httpOptions: { baseUrl: server.url } })

const chat = await openai.chat.completions.create({ model, max_tokens: 30, messages: [{ role: 'user', content: hello }] })
const response = await openai.responses.stream({ model, max_output_tokens: 30, input: hello }).finalResponse()
const message = await anthropic.messages.stream({ model, max_tokens: 30, messages: [{ role: 'user', content: hello }] }).finalMessage()
const content = await google.models.generateContent({ model, contents: hello, config: { maxOutputTokens: 30 } })
const [block] = message.content

const answers = {
  'Chat Completions': chat.choices[0]?.message.content,
  Responses: response.output_text,
  Messages: block?.type === 'text' ? block.text : undefined,
  generateContent: content.text,
}
for (const [wire, text] of Object.entries(answers)) process.stdout.write(`${wire.padEnd(18)}${text ?? 'nothing'}\n`)

await server.close()
const { differences, chainUsd } = await routeplane.receipts.reconcile({ fromBlock: 0n })
process.stdout.write(`four payments, ${differences.length} differences between ledger and chain\n`)
await routeplane.close()
await network.stop()
rmSync(home, { recursive: true, force: true })
if (Object.values(answers).some((text) => text !== 'thrift heard: hello') || differences.length > 0 || chainUsd === 0n) process.exit(1)
