/** Finds blocks by their time, for what happened longer ago than one looks back from the newest. */
import type { PublicClient } from 'viem'
import type { Span } from './chain.ts'
import type { BlockRange } from './logs.ts'

/** Gives the first block that is not older than a time (Unix seconds); `latest` when every block up to it is. About 25 reads. */
export function firstBlockAt(client: PublicClient, seconds: bigint, latest: bigint): Promise<bigint> {
  return firstBlockWhere({ fromBlock: 0n, toBlock: latest }, async (block) => (await timeOf(client, block)) >= seconds)
}

/** Gives the first block of which something is so that is so of every later one; the last one when it is so of none before. */
export async function firstBlockWhere({ fromBlock, toBlock }: BlockRange, isSo: (block: bigint) => Promise<boolean>): Promise<bigint> {
  let [from, to] = [fromBlock, toBlock]
  while (from < to) {
    const middle = (from + to) / 2n
    if (await isSo(middle)) to = middle
    else from = middle + 1n
  }
  return from
}

/** Unix seconds. */
export async function timeOf(client: PublicClient, blockNumber: bigint): Promise<bigint> {
  return (await client.getBlock({ blockNumber })).timestamp
}

/** Gives the blocks to search for something: the newest, unless it must have been before them. */
export async function rangeOf(client: PublicClient, toBlock: bigint, lookback: bigint, within?: Span): Promise<BlockRange> {
  const newest = { fromBlock: toBlock > lookback ? toBlock - lookback : 0n, toBlock }
  if (within === undefined || newest.fromBlock === 0n || (await timeOf(client, newest.fromBlock)) <= within.sinceSeconds) return newest
  const fromBlock = await firstBlockAt(client, within.sinceSeconds, toBlock)
  return { fromBlock, toBlock: await firstBlockAt(client, within.untilSeconds, toBlock) }
}
