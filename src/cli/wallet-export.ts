/** `routeplane wallet export`: shows the private key to its owner, who has to say so twice. */
import { plainCommand, type Command } from './command.ts'
import { isConfirmed } from './confirm.ts'
import { ownPassword } from './password.ts'
import { loadFor } from './session.ts'
import { passwordDetails, passwordFile, placeOf } from './wallet.ts'
import { solanaOption } from './wallet-solana.ts'

export const walletExport: Command = {
  ...plainCommand,
  name: 'wallet export',
  summary: 'Show the private key of a key file, to take it elsewhere.',
  details: [
    'Whoever sees the key can spend all that the wallet has. The key alone is printed, as "wallet import" takes it.',
    'The key file itself is a copy, too: a web3 keystore of version 3, which other wallets read.',
    ...passwordDetails,
  ],
  options: {
    solana: solanaOption,
    'password-file': passwordFile,
    yes: { type: 'boolean', short: 'y', summary: 'Do not ask.' },
  },
  async run(invocation, context) {
    const config = await loadFor(invocation, context)
    const { path, solana } = placeOf(invocation, config)
    const warning = `This shows the private key in ${path}. Whoever sees it can spend all that the wallet has.`
    if (!invocation.flag('yes') && !(await isConfirmed(warning, context, SHOWING)))
      return { text: '', value: { shown: false }, exitCode: 1 }
    const access = { path, password: await ownPassword(invocation, config, context) }
    const { keystore } = context.engine
    const key = await (solana ? keystore.revealSolana(access) : keystore.reveal(access))
    return { text: key.reveal(), value: { keystore: path, private_key: key.reveal() } }
  },
}

const SHOWING = { ask: 'Show it?', refusal: 'nothing was shown, for there is nobody to ask', hint: 'Show it with --yes.' }
