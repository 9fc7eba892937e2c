/** The ledger's contract on SQLite. */
import { ledgerContract } from './contract.ts'
import { createPlace } from './open.ts'

ledgerContract('SQLite', createPlace)
