/** A private key that can be used and never seen: it prints as its address in every way there is to print. */
import type { PrivateKeyAccount } from 'viem'
import { RouteplaneError } from '../errors.ts'
import { Unshown } from './unshown.ts'

const HEX_KEY = /^(?:0x)?[0-9a-fA-F]{64}$/
const GENERATOR_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** The typed data that viem's account signs. */
export type SignableTypedData = Parameters<PrivateKeyAccount['signTypedData']>[0]

/** What signs, wherever the key itself lives. Only `local-wallet.ts` may ask it, after its policy. */
export type SigningKey = {
  readonly address: `0x${string}`
  /** EIP-712. */
  signTypedData(typedData: SignableTypedData): Promise<`0x${string}`>
  signHash(hash: `0x${string}`): Promise<`0x${string}`>
}

/** Made by {@link readPrivateKey} or by opening a keystore. */
export class WalletKey extends Unshown {
  readonly address: `0x${string}`
  readonly #account: PrivateKeyAccount

  constructor(account: PrivateKeyAccount) {
    super()
    this.#account = account
    this.address = account.address
  }

  /** EIP-712. Only `local-wallet.ts` may call it, after its policy. */
  signTypedData(typedData: SignableTypedData): Promise<`0x${string}`> {
    return this.#account.signTypedData(typedData)
  }

  /** Signs the hash of a Tempo transaction. Only `local-wallet.ts` may call it, after its policy, with what it has built itself. */
  signHash(hash: `0x${string}`): Promise<`0x${string}`> {
    return this.#account.sign({ hash })
  }
}

/**
 * Reads a private key of 64 hex digits, with or without `0x`; blanks around it are ignored, as files end in a newline.
 *
 * @throws {@link RouteplaneError} `invalid_key`, without any part of the text.
 */
export async function readPrivateKey(text: string): Promise<WalletKey> {
  const { privateKeyToAccount } = await import('viem/accounts')
  return new WalletKey(privateKeyToAccount(parsePrivateKey(text)))
}

/**
 * Checks a private key without making anything of it.
 *
 * @throws {@link RouteplaneError} `invalid_key`, without any part of the text.
 */
export function parsePrivateKey(text: string): `0x${string}` {
  const trimmed = text.trim()
  if (!HEX_KEY.test(trimmed)) {
    throw new RouteplaneError('invalid_key', 'the private key is not 64 hexadecimal digits', {
      hint: 'Give the key of one account, not a mnemonic phrase and not an address.',
    })
  }
  const digits = trimmed.slice(-64).toLowerCase()
  const scalar = BigInt(`0x${digits}`)
  if (scalar === 0n || scalar >= GENERATOR_ORDER)
    throw new RouteplaneError('invalid_key', 'the private key is outside the range of the curve')
  return `0x${digits}`
}
