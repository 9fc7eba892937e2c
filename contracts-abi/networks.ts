/** The EVM networks that payments may run on: CAIP-2 id, names, a public RPC URL and an explorer. */

export type NetworkRow = {
  /** CAIP-2 id: `eip155:` and the chain id. */
  readonly network: string
  readonly chainName: string
  readonly testnet: boolean
  /** The short name of x402 protocol v1, where the protocol has one. */
  readonly v1Name?: string
  /** A public default; rate limited, so a configured URL is better for anything busy. */
  readonly rpcUrl?: string
  readonly explorer?: string
}

/**
 * Every network of the asset table. Short names: `EVM_NETWORK_CHAIN_ID_MAP` of `@x402/evm` 2.27.0 (`/v1`); URLs and the
 * testnet flag: the chain definitions of viem 2.55.18.
 *
 * @see https://github.com/ChainAgnostic/namespaces/blob/main/eip155/caip2.md
 */
export const networkRows: readonly NetworkRow[] = [
  mainnet('eip155:8453', 'Base', 'base', 'https://mainnet.base.org', 'https://basescan.org'),
  testnet('eip155:84532', 'Base Sepolia', 'base-sepolia', 'https://sepolia.base.org', 'https://sepolia.basescan.org'),
  mainnet('eip155:1', 'Ethereum', 'ethereum', 'https://ethereum.reth.rs/rpc', 'https://etherscan.io'),
  mainnet('eip155:43114', 'Avalanche', 'avalanche', 'https://api.avax.network/ext/bc/C/rpc', 'https://snowtrace.io'),
  mainnet('eip155:4326', 'MegaETH', 'megaeth', 'https://mainnet.megaeth.com/rpc', 'https://mega.etherscan.io'),
  mainnet('eip155:143', 'Monad', 'monad', 'https://rpc.monad.xyz', 'https://monadscan.com'),
  mainnet('eip155:988', 'Stable Mainnet', 'stable', 'https://rpc.stable.xyz', 'https://stablescan.xyz'),
  testnet('eip155:2201', 'Stable Testnet', 'stable-testnet', 'https://rpc.testnet.stable.xyz', 'https://testnet.stablescan.xyz'),
  testnet('eip155:43113', 'Avalanche Fuji', 'avalanche-fuji', 'https://api.avax-test.network/ext/bc/C/rpc', 'https://testnet.snowtrace.io'),
  mainnet('eip155:10', 'OP Mainnet', undefined, 'https://mainnet.optimism.io', 'https://optimistic.etherscan.io'),
  testnet('eip155:11155420', 'OP Sepolia', undefined, 'https://sepolia.optimism.io', 'https://optimism-sepolia.blockscout.com'),
  testnet('eip155:11155111', 'Ethereum Sepolia', undefined, 'https://ethereum-sepolia-rpc.publicnode.com', 'https://sepolia.etherscan.io'),
  testnet('eip155:80002', 'Polygon Amoy', 'polygon-amoy', 'https://polygon-amoy.drpc.org', 'https://amoy.polygonscan.com'),
  mainnet('eip155:137', 'Polygon', 'polygon', 'https://polygon.drpc.org', 'https://polygonscan.com'),
  mainnet('eip155:42161', 'Arbitrum One', undefined, 'https://arb1.arbitrum.io/rpc', 'https://arbiscan.io'),
  testnet('eip155:421614', 'Arbitrum Sepolia', undefined, 'https://sepolia-rollup.arbitrum.io/rpc', 'https://sepolia.arbiscan.io'),
  mainnet('eip155:31612', 'Mezo', undefined, 'https://rpc.mezo.org', 'https://explorer.mezo.org'),
  testnet('eip155:31611', 'Mezo Testnet', undefined, 'https://rpc.test.mezo.org', 'https://explorer.test.mezo.org'),
  mainnet('eip155:723487', 'Radius Network', undefined, 'https://rpc.radiustech.xyz', 'https://network.radiustech.xyz'),
  testnet('eip155:72344', 'Radius Test Network', undefined, 'https://rpc.testnet.radiustech.xyz', 'https://testnet.radiustech.xyz'),
  mainnet('eip155:36900', 'ADI Chain', undefined, 'https://rpc.adifoundation.ai', 'https://explorer.adifoundation.ai'),
  mainnet('eip155:190415', 'HPP Mainnet', undefined, 'https://mainnet.hpp.io', 'https://explorer.hpp.io'),
  testnet('eip155:181228', 'HPP Sepolia', undefined, 'https://testnet.hpp.io', 'https://sepolia-explorer.hpp.io'),
  mainnet('eip155:50', 'XDC Network', undefined, 'https://rpc.xdcrpc.com', 'https://xdcscan.com'),
  testnet('eip155:51', 'Apothem Network', undefined, 'https://erpc.apothem.network', 'https://testnet.xdcscan.com'),
  mainnet('eip155:38833', 'Igra Network', undefined, 'https://rpc.igralabs.com:8545', 'https://explorer.igralabs.com'),
  mainnet('eip155:14', 'Flare Mainnet', 'flare', 'https://flare-api.flare.network/ext/C/rpc', 'https://flare-explorer.flare.network'),
  mainnet('eip155:42220', 'Celo', 'celo', 'https://forno.celo.org', 'https://celoscan.io'),
  testnet(
    'eip155:11142220',
    'Celo Sepolia Testnet',
    undefined,
    'https://forno.celo-sepolia.celo-testnet.org',
    'https://celo-sepolia.blockscout.com',
  ),
  mainnet('eip155:1329', 'Sei Network', 'sei', 'https://evm-rpc.sei-apis.com', 'https://seiscan.io'),
  testnet('eip155:1328', 'Sei Testnet', 'sei-testnet', 'https://evm-rpc-testnet.sei-apis.com', 'https://testnet.seiscan.io'),
  mainnet('eip155:4217', 'Tempo', undefined, 'https://rpc.tempo.xyz', 'https://explore.tempo.xyz'),
  testnet('eip155:42431', 'Tempo Testnet', undefined, 'https://rpc.moderato.tempo.xyz', 'https://explore.testnet.tempo.xyz'),
]

function mainnet(network: string, chainName: string, v1Name: string | undefined, rpcUrl: string, explorer: string): NetworkRow {
  return { network, chainName, testnet: false, ...(v1Name === undefined ? {} : { v1Name }), rpcUrl, explorer }
}

function testnet(network: string, chainName: string, v1Name: string | undefined, rpcUrl: string, explorer: string): NetworkRow {
  return { ...mainnet(network, chainName, v1Name, rpcUrl, explorer), testnet: true }
}
