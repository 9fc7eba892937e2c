import { DEFAULT_ASSETS } from '@x402/evm'
import fc from 'fast-check'
import { domainSeparator, getAddress } from 'viem'
import { describe, expect, it } from 'vitest'
import { assets, canonicalContracts } from '../../../contracts-abi/assets.ts'
import { networkRows } from '../../../contracts-abi/networks.ts'
import {
  DEFAULT_MAINNET,
  DEFAULT_NETWORK,
  DEFAULT_SYMBOL,
  assetsOf,
  chainIdOf,
  findAsset,
  findAssetBySymbol,
  findNetwork,
  findNetworkByV1Name,
  requireAsset,
} from '../../../src/chain/networks.ts'

/** Domain separators as the deployed tokens answer them, published by explorers and permit tooling. */
const publishedSeparators: Readonly<Record<string, string>> = {
  'eip155:8453 USDC': '0x02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f',
  'eip155:84532 USDC': '0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818',
  // https://github.com/x402-foundation/x402/pull/3105
  'eip155:143 USDC': '0xfe22123edc0dd4aeb912eb7948c5f0e531592c2053b3067612f427db342c93c6',
  'eip155:1 USDC': '0x06c37168a7db5138defc7866392bb87a741f9b3d104deb5094588ce041cae335',
}

describe('the asset table', () => {
  it.each(assets.map((row) => [`${row.network} ${row.symbol}`, row] as const))('%s is spelled with its checksum', (_, row) => {
    expect(getAddress(row.address)).toBe(row.address)
    expect(chainIdOf(row.network)).toBeGreaterThan(0)
    expect(row.source).not.toBe('')
  })

  it.each(Object.entries(publishedSeparators))('%s has the published EIP-712 domain separator', (key, published) => {
    const row = assets.find((candidate) => `${candidate.network} ${candidate.symbol}` === key)
    expect(row).toBeDefined()
    if (row === undefined) return
    const domain = { ...row.domain, chainId: chainIdOf(row.network), verifyingContract: row.address }
    expect(domainSeparator({ domain })).toBe(published)
  })

  it('has a domain separator of its own for each token', () => {
    const separators = assets.map((row) =>
      domainSeparator({ domain: { ...row.domain, chainId: chainIdOf(row.network), verifyingContract: row.address } }),
    )
    expect(new Set(separators).size).toBe(assets.length)
  })

  it('agrees with the table of the payment package, row by row', () => {
    const packaged = Object.entries(DEFAULT_ASSETS).flatMap(([network, rows]) => [rows].flat().map((row) => ({ network, ...row })))
    expect(packaged.length).toBeGreaterThan(20)
    for (const theirs of packaged) {
      const ours = findAsset(theirs.network, theirs.asset)
      expect(ours, `${theirs.network} ${theirs.asset}`).toMatchObject({
        decimals: theirs.decimals,
        domain: { name: theirs.name, version: theirs.version },
        transferMethod: theirs.assetTransferMethod ?? 'eip3009',
      })
    }
  })

  it('spells canonical contracts with their checksum', () => {
    for (const address of Object.values(canonicalContracts)) expect(getAddress(address)).toBe(address)
  })

  it('has each network once', () => {
    expect(new Set(networkRows.map((row) => row.network)).size).toBe(networkRows.length)
    const names = networkRows.flatMap((row) => row.v1Name ?? [])
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('lookups', () => {
  it('finds a token in any spelling of its address', () => {
    fc.assert(
      fc.property(fc.constantFrom(...assets), fc.infiniteStream(fc.boolean()), (row, upper) => {
        const spelled = `0x${[...row.address.slice(2)].map((digit) => (upper.next().value ? digit.toUpperCase() : digit.toLowerCase())).join('')}`
        expect(findAsset(row.network, spelled)).toBe(row)
      }),
    )
  })

  it('does not find a token of one network on another', () => {
    const base = findAssetBySymbol(DEFAULT_MAINNET, 'usdc')
    expect(base).toBeDefined()
    expect(findAsset(DEFAULT_NETWORK, base?.address ?? '')).toBeUndefined()
    expect(() => requireAsset(DEFAULT_NETWORK, '0x000000000000000000000000000000000000dEaD')).toThrow(
      expect.objectContaining({ code: 'unknown_asset' }),
    )
  })

  it('defaults to a test network, and to a main one only by its own name', () => {
    expect(findNetwork(DEFAULT_NETWORK)?.testnet).toBe(true)
    expect(findNetwork(DEFAULT_MAINNET)?.testnet).toBe(false)
    expect(findAssetBySymbol(DEFAULT_NETWORK, DEFAULT_SYMBOL)?.decimals).toBe(6)
    expect(findNetworkByV1Name('base-sepolia')?.network).toBe(DEFAULT_NETWORK)
    expect(assetsOf('eip155:42220').map((row) => row.symbol)).toEqual(['USDC', 'USDT', 'USAT'])
  })

  it.each([
    '',
    'base',
    'eip155:',
    'eip155:0',
    'eip155:01',
    'eip155:1e3',
    'eip155:0x1',
    ' eip155:1',
    'solana:5eykt4',
    'eip155:9999999999999999',
  ])('refuses %j as an EVM network', (network) => {
    expect(() => chainIdOf(network)).toThrow(expect.objectContaining({ code: 'unknown_network' }))
  })
})
