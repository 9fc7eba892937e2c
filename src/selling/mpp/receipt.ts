/** What tells a client of the Machine Payments Protocol that its payment was taken. */

/** @see https://paymentauth.org (draft-httpauth-payment, section 5.3) */
export function receiptHeaders(receipt: {
  readonly method: string
  readonly reference: string
  readonly timestamp: number
}): Record<string, string> {
  const text = JSON.stringify({ ...receipt, status: 'success', timestamp: new Date(receipt.timestamp).toISOString() })
  return { 'payment-receipt': Buffer.from(text).toString('base64url') }
}
