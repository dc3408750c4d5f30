import type { Client } from 'acme-client'
import { PortError } from '../../core/errors.js'
import type { Vault } from '../../ports/records.js'
import type { AcmeModule } from './transport.js'

/** Whom we are to the issuer. Key and URL of the account are kept in the vault, one account a directory. */
export interface Account {
  directoryUrl: string
  email: string | undefined
  /** External account binding, which ZeroSSL asks for. */
  eab: { kid: string; hmacKey: string } | undefined
  vault: Vault
}

/**
 * Runs `work` with a client for our account, made when there is none. An account that the issuer has forgotten (a test
 * issuer started again) is made once more with the same key, and `work` runs again.
 */
export async function withAccount<T>(
  acme: AcmeModule,
  account: Account,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  try {
    return await work(await openAccount(acme, account))
  } catch (error) {
    if (!(error instanceof PortError) || error.code !== 'accountDoesNotExist') throw error
    await account.vault.remove(urlName(account))
    return work(await openAccount(acme, account))
  }
}

async function openAccount(acme: AcmeModule, account: Account): Promise<Client> {
  const { directoryUrl, email, eab, vault } = account
  const accountKey = await vault.getOrCreate(`acme/account-key/${directoryUrl}`, async () =>
    (await acme.crypto.createPrivateEcdsaKey()).toString(),
  )
  const accountUrl = await vault.get(urlName(account))
  const client = new acme.Client({
    directoryUrl,
    accountKey,
    ...(accountUrl === null ? {} : { accountUrl }),
    ...(eab ? { externalAccountBinding: eab } : {}),
  })
  if (accountUrl !== null) return client
  // The issuer knows an account by its key: asking twice, or two at once, makes one.
  await client.createAccount({ termsOfServiceAgreed: true, contact: email ? [`mailto:${email}`] : [] })
  await vault.put(urlName(account), client.getAccountUrl())
  return client
}

const urlName = ({ directoryUrl }: Account) => `acme/account-url/${directoryUrl}`
