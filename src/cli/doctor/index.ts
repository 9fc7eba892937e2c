/** The tuple of checks, in the order in which they are told. */
import type { Check } from './check.ts'
import { gateway } from './gateway.ts'
import { ledger } from './ledger.ts'
import { nodes } from './nodes.ts'
import { providers } from './providers.ts'
import { registry } from './registry.ts'
import { wallet } from './wallet.ts'

export const checks: readonly Check[] = [ledger, wallet, nodes, registry, providers, gateway]
