/** The tokens that payments may be made in, each with the EIP-712 domain and decimals we trust instead of a challenge's. */
import { networkRows } from './networks.ts'
import type { NetworkRow } from './networks.ts'

/** How a token can be moved by a signature: its own EIP-3009, Permit2 after an approval, or a signed Tempo transaction. */
export type TransferMethod = 'eip3009' | 'permit2' | 'tip20'

export type AssetRow = NetworkRow & {
  readonly symbol: string
  /** EIP-55 spelling. */
  readonly address: `0x${string}`
  readonly decimals: number
  /** Name and version of the token's EIP-712 domain; its chain id and contract are the row's own. */
  readonly domain: { readonly name: string; readonly version: string }
  readonly transferMethod: TransferMethod
  /** The one place where a token is taken to be worth its currency: one whole unit is one US dollar. */
  readonly pegs: 'USD'
  /** Where the row was taken from. */
  readonly source: string
}

const X402_EVM = '@x402/evm 2.27.0 DEFAULT_ASSETS'
/** Such a token is never signed over as EIP-712: a payment is a transaction of the network. */
const TEMPO = 'mppx 0.11.0 tempo defaults; https://docs.tempo.xyz/protocol/tip20/spec'
/** Where the issuer lists addresses, and who has read names and versions off the contracts. */
const CIRCLE = 'https://developers.circle.com/stablecoins/usdc-contract-addresses; names: https://github.com/DROOdotFOO/raxol/pull/261'
const CIRCLE_V1 = 'https://developers.circle.com/stablecoins/usdc-contract-addresses; names: x402 1.2.0 (v1) chain config'
const CROSS_CHECKED = '@x402/evm 2.27.0 DEFAULT_ASSETS; https://developers.circle.com/stablecoins/usdc-contract-addresses'

/**
 * The asset table. A row is a claim of its source; the separators of the Base, Ethereum and Monad rows were compared with those
 * that the tokens answer.
 */
export const assets: readonly AssetRow[] = [
  asset('eip155:8453', 'USDC', '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913', 6, ['USD Coin', '2'], 'eip3009', CROSS_CHECKED),
  asset('eip155:84532', 'USDC', '0x036CbD53842c5426634e7929541eC2318f3dCF7e', 6, ['USDC', '2'], 'eip3009', CROSS_CHECKED),
  asset('eip155:1', 'USDC', '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48', 6, ['USD Coin', '2'], 'eip3009', X402_EVM),
  asset('eip155:43114', 'USDC', '0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E', 6, ['USD Coin', '2'], 'eip3009', X402_EVM),
  asset('eip155:10', 'USDC', '0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85', 6, ['USD Coin', '2'], 'eip3009', CIRCLE),
  asset('eip155:11155420', 'USDC', '0x5fd84259d66Cd46123540766Be93DFE6D43130D7', 6, ['USDC', '2'], 'eip3009', CIRCLE),
  asset('eip155:11155111', 'USDC', '0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238', 6, ['USDC', '2'], 'eip3009', CIRCLE),
  asset('eip155:43113', 'USDC', '0x5425890298aed601595a70AB815c96711a31Bc65', 6, ['USD Coin', '2'], 'eip3009', CIRCLE_V1),
  asset('eip155:80002', 'USDC', '0x41E94Eb019C0762f9Bfcf9Fb1E58725BfB0e7582', 6, ['USDC', '2'], 'eip3009', CIRCLE_V1),
  asset('eip155:4326', 'MegaUSD', '0xFAfDdbb3FC7688494971a79cc65DCa3EF82079E7', 18, ['MegaUSD', '1'], 'permit2', X402_EVM),
  asset('eip155:143', 'USDC', '0x754704Bc059F8C67012fEd69BC8A327a5aafb603', 6, ['USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:988', 'USDT0', '0x779Ded0c9e1022225f8E0630b35a9b54bE713736', 6, ['USDT0', '1'], 'eip3009', X402_EVM),
  asset('eip155:2201', 'USDT0', '0x78Cf24370174180738C5B8E352B6D14c83a6c9A9', 6, ['USDT0', '1'], 'eip3009', X402_EVM),
  asset('eip155:137', 'USDC', '0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359', 6, ['USD Coin', '2'], 'eip3009', X402_EVM),
  asset('eip155:42161', 'USDC', '0xaf88d065e77c8cC2239327C5EDb3A432268e5831', 6, ['USD Coin', '2'], 'eip3009', X402_EVM),
  asset('eip155:421614', 'USDC', '0x75faf114eafb1BDbe2F0316DF893fd58CE46AA4d', 6, ['USD Coin', '2'], 'eip3009', X402_EVM),
  asset('eip155:31612', 'mUSD', '0xdD468A1DDc392dcdbEf6db6e34E89AA338F9F186', 18, ['Mezo USD', '1'], 'permit2', X402_EVM),
  asset('eip155:31611', 'mUSD', '0x118917a40FAF1CD7a13dB0Ef56C86De7973Ac503', 18, ['Mezo USD', '1'], 'permit2', X402_EVM),
  asset('eip155:723487', 'SBC', '0x33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb', 6, ['Stable Coin', '1'], 'permit2', X402_EVM),
  asset('eip155:72344', 'SBC', '0x33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb', 6, ['Stable Coin', '1'], 'permit2', X402_EVM),
  asset('eip155:36900', 'USDC.e', '0x9cb8142aEBBcdc60AF7c97Af897A67A8f3CA71C2', 6, ['USDC.e', '2'], 'eip3009', X402_EVM),
  asset('eip155:190415', 'USDC.e', '0x401eCb1D350407f13ba348573E5630B83638E30D', 6, ['Bridged USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:181228', 'USDC.e', '0x401eCb1D350407f13ba348573E5630B83638E30D', 6, ['Bridged USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:50', 'USDC', '0xfA2958CB79b0491CC627c1557F441eF849Ca8eb1', 6, ['USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:51', 'USDC', '0xb5AB69F7bBada22B28e79C8FFAECe55eF1c771D4', 6, ['USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:38833', 'USDC', '0xA5b8BF902b2844dA17d4506cc827F7F1681735E7', 6, ['USDC', '1'], 'permit2', X402_EVM),
  asset('eip155:14', 'USDT0', '0xe7cd86e13AC4309349F30B3435a9d337750fC82D', 6, ['USD₮0', '1'], 'eip3009', X402_EVM),
  asset('eip155:42220', 'USDC', '0xcebA9300f2b948710d2653dD7B07f33A8B32118C', 6, ['USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:42220', 'USDT', '0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e', 6, ['Tether USD', '1'], 'eip3009', X402_EVM),
  asset('eip155:42220', 'USAT', '0xD2ab3C9A02DBBAB236BfEC45D1d755DF4267F771', 6, ['Tether America USD', '1'], 'eip3009', X402_EVM),
  asset('eip155:11142220', 'USDC', '0x01C5C0122039549AD1493B8220cABEdD739BC44E', 6, ['USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:1329', 'USDC', '0xe15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392', 6, ['USDC', '2'], 'eip3009', X402_EVM),
  asset('eip155:4217', 'USDC.e', '0x20C000000000000000000000b9537d11c60E8b50', 6, ['Bridged USDC', '1'], 'tip20', TEMPO),
  asset('eip155:4217', 'pathUSD', '0x20C0000000000000000000000000000000000000', 6, ['pathUSD', '1'], 'tip20', TEMPO),
  asset('eip155:42431', 'pathUSD', '0x20C0000000000000000000000000000000000000', 6, ['pathUSD', '1'], 'tip20', TEMPO),
  asset('eip155:1328', 'USDC', '0x4fCF1784B31630811181f670Aea7A7bEF803eaED', 6, ['USDC', '2'], 'eip3009', X402_EVM),
]

function asset(
  network: string,
  symbol: string,
  address: `0x${string}`,
  decimals: number,
  [name, version]: readonly [string, string],
  transferMethod: TransferMethod,
  source: string,
): AssetRow {
  const row = networkRows.find((candidate) => candidate.network === network)
  if (row === undefined) throw new TypeError(`${network} is not in the network table`)
  return { ...row, symbol, address, decimals, domain: { name, version }, transferMethod, pegs: 'USD', source }
}

/**
 * Contracts that have one address on every chain.
 *
 * @see https://github.com/Uniswap/permit2 for `permit2`, https://www.multicall3.com for `multicall3`; the `x402…` ones are
 *   constants of `@x402/evm` 2.27.0, and both Permit2 proxies match their CREATE2 derivation.
 */
export const canonicalContracts = {
  permit2: '0x000000000022D473030F116dDEE9F6B43aC78BA3',
  multicall3: '0xcA11bde05977b3631167028862bE2a173976CA11',
  create2Deployer: '0x4e59b44847b379578588920cA78FbF26c0B4956C',
  x402ExactPermit2Proxy: '0x402085c248EeA27D92E8b30b2C58ed07f9E20001',
  x402UptoPermit2Proxy: '0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002',
  x402BatchSettlement: '0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003',
  erc3009DepositCollector: '0x4020806089470a89826cB9fB1f4059150b550004',
  permit2DepositCollector: '0x4020425FAf3B746C082C2f942b4E5159887B0005',
} as const

/**
 * The Tempo network's chain ids and system contracts, for MPP `tempo` methods.
 *
 * @see viem 2.55.18 `viem/tempo` Addresses
 */
export const tempo = {
  mainnet: 'eip155:4217',
  testnet: 'eip155:42431',
  channelReserve: '0x4d50500000000000000000000000000000000000',
  /** Takes the fee of every transaction, in a token. */
  feeManager: '0xfeEC000000000000000000000000000000000000',
} as const
