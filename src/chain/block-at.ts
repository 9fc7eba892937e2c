/** Finds blocks by their time, for what happened longer ago than one looks back from the newest. */
import type { PublicClient } from 'viem'

/** Gives the first block that is not older than a time (Unix seconds); `latest` when every block up to it is. About 25 reads. */
export async function firstBlockAt(client: PublicClient, seconds: bigint, latest: bigint): Promise<bigint> {
  let [from, to] = [0n, latest]
  while (from < to) {
    const middle = (from + to) / 2n
    if ((await timeOf(client, middle)) < seconds) from = middle + 1n
    else to = middle
  }
  return from
}

/** Unix seconds. */
export async function timeOf(client: PublicClient, blockNumber: bigint): Promise<bigint> {
  return (await client.getBlock({ blockNumber })).timestamp
}
