/** Puts our stand-ins for the contracts of x402 `batch-settlement` where the real ones stand, on a local chain. */
import { batchSettlementAddress, callAggregatorAddress, depositCollectorAddress } from '../../contracts-abi/batch-settlement.ts'
import { authorizedDepositsCode } from './authorized-deposits-artifact.ts'
import { callAggregatorCode } from './call-aggregator-artifact.ts'
import { installContract } from './install-contract.ts'
import { paymentChannelsCode } from './payment-channels-artifact.ts'
import type { Rpc } from './rpc.ts'

/** @throws {@link import('../errors.ts').RouteplaneError} `upstream_error` when the node refuses; only anvil knows the methods. */
export async function installChannelContracts(rpc: Rpc): Promise<void> {
  const { concat, pad } = await import('viem')
  await installContract(rpc, callAggregatorAddress, callAggregatorCode)
  await installContract(rpc, batchSettlementAddress, paymentChannelsCode)
  await installContract(rpc, depositCollectorAddress, concat([authorizedDepositsCode, pad(batchSettlementAddress)]))
}
