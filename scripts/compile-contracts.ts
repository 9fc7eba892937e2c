/** Compiles our own test contracts with the pinned solc and writes each as a TypeScript constant; run with `tsx`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isRecord, parseJson } from '../src/lib/json.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

export type ContractTarget = {
  readonly source: string
  readonly contract: string
  /** The file that is written, from the root of the repository. */
  readonly target: string
  readonly constant: string
  readonly sentence: string
}

/** What is compiled, and where it goes. */
export const contractTargets: readonly ContractTarget[] = [
  {
    source: 'test/contracts/TestDollar.sol',
    contract: 'TestDollar',
    target: 'src/demo/test-dollar-artifact.ts',
    constant: 'testDollarCode',
    sentence: 'The compiled test dollar; written by scripts/compile-contracts.ts from test/contracts/TestDollar.sol.',
  },
  {
    source: 'test/contracts/PaymentBatch.sol',
    contract: 'PaymentBatch',
    target: 'test/support/payment-batch-artifact.ts',
    constant: 'paymentBatchCode',
    sentence: 'The compiled batch settler; written by scripts/compile-contracts.ts from test/contracts/PaymentBatch.sol.',
  },
  {
    source: 'test/contracts/FickleWallet.sol',
    contract: 'FickleWallet',
    target: 'test/support/fickle-wallet-artifact.ts',
    constant: 'fickleWalletCode',
    sentence:
      'The compiled smart wallet that changes its mind; written by scripts/compile-contracts.ts from test/contracts/FickleWallet.sol.',
  },
  {
    source: 'test/contracts/ChannelReserve.sol',
    contract: 'ChannelReserve',
    target: 'src/demo/channel-reserve-artifact.ts',
    constant: 'channelReserveCode',
    sentence: 'The compiled channel reserve; written by scripts/compile-contracts.ts from test/contracts/ChannelReserve.sol.',
  },
  ...[
    { contract: 'PaymentChannels', file: 'payment-channels', constant: 'paymentChannelsCode', what: 'channel contract' },
    { contract: 'AuthorizedDeposits', file: 'authorized-deposits', constant: 'authorizedDepositsCode', what: 'source of deposits' },
    { contract: 'CallAggregator', file: 'call-aggregator', constant: 'callAggregatorCode', what: 'aggregator of calls' },
  ].map(({ contract, file, constant, what }) => ({
    source: 'test/contracts/PaymentChannels.sol',
    contract,
    target: `src/demo/${file}-artifact.ts`,
    constant,
    sentence: `The compiled ${what}; written by scripts/compile-contracts.ts from test/contracts/PaymentChannels.sol.`,
  })),
  ...[
    { contract: 'ExactPermits', file: 'exact-permits', constant: 'exactPermitsCode', what: 'exact proxy' },
    { contract: 'CeilingPermits', file: 'ceiling-permits', constant: 'ceilingPermitsCode', what: 'proxy of ceilings' },
  ].map(({ contract, file, constant, what }) => ({
    source: 'test/contracts/PermitProxies.sol',
    contract,
    target: `src/demo/${file}-artifact.ts`,
    constant,
    sentence: `The compiled ${what}; written by scripts/compile-contracts.ts from test/contracts/PermitProxies.sol.`,
  })),
]

/**
 * Compiles one contract and gives its creation code, without constructor arguments. The output depends on nothing but the sources and the pinned compiler: no metadata is appended.
 *
 * @throws Error with the compiler's own text when it reports an error.
 */
export function compileContract(target: ContractTarget): `0x${string}` {
  const require = createRequire(import.meta.url)
  const solc = require('solc') as { compile(input: string, callbacks: { import(path: string): object }): string }
  const input = {
    language: 'Solidity',
    sources: { [target.source]: { content: readFileSync(join(root, target.source), 'utf8') } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: 'cancun',
      metadata: { appendCBOR: false, bytecodeHash: 'none' },
      outputSelection: { '*': { [target.contract]: ['evm.bytecode.object'] } },
    },
  }
  const findImport = (path: string): object => ({ contents: readFileSync(require.resolve(path), 'utf8') })
  const output = parseJson(solc.compile(JSON.stringify(input), { import: findImport }))
  return readOutput(output, target)
}

/** Writes creation code as the module that is committed. */
export function renderArtifact(target: ContractTarget, bytecode: `0x${string}`): string {
  return `/** ${target.sentence} */

/** Creation code of \`${target.contract}\`: solc 0.8.28, optimizer with 200 runs, cancun, no metadata. */
export const ${target.constant} =
  '${bytecode}'
`
}

function readOutput(output: unknown, target: ContractTarget): `0x${string}` {
  const root = recordOf(output)
  const messages = Array.isArray(root['errors']) ? root['errors'].map(recordOf) : []
  const errors = messages.filter((message) => message['severity'] === 'error')
  if (errors.length > 0) throw new Error(errors.map((message) => String(message['formattedMessage'])).join('\n'))
  const contract = recordOf(recordOf(recordOf(root['contracts'])[target.source])[target.contract])
  const code = recordOf(recordOf(contract['evm'])['bytecode'])['object']
  if (typeof code !== 'string' || code === '') throw new Error(`solc gave no code for ${target.contract}`)
  return `0x${code}`
}

function recordOf(value: unknown): Record<string, unknown> {
  if (isRecord(value)) return value
  throw new Error('solc gave an output of another shape')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const target of contractTargets) writeFileSync(join(root, target.target), renderArtifact(target, compileContract(target)))
}
