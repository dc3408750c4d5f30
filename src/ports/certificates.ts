/** A certificate to obtain. The private key never leaves its owner: only the CSR (PEM) is passed. */
export interface CertificateOrder {
  names: readonly string[]
  zone: string
  csr: string
  /** The order begun by an earlier try, so that a crash does not spend the issuer's rate limit. */
  orderUrl: string | null
  /** Called as soon as the order exists, before anything is waited for. */
  onOrder: (orderUrl: string) => Promise<void>
}

export interface IssuedCertificate {
  /** PEM chain, leaf first. */
  chain: string
  /** ISO 8601. */
  notBefore: string
  notAfter: string
}

/** An issuer that speaks ACME, proved by dns-01. Every error is a `PortError` with the issuer's problem type. */
export interface CertificatesPort {
  /** A signing request (PEM) for these DNS names, signed with `privateKey` (PEM, EC or RSA). Asks nobody. */
  signingRequest(names: readonly string[], privateKey: string): Promise<string>
  issue(order: CertificateOrder, signal: AbortSignal): Promise<IssuedCertificate>
}
