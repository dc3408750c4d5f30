import type { Client } from 'acme-client'
import type { LimitFunction } from 'p-limit'
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
  /** Lets one at a time through. */
  turn: LimitFunction
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
  const { directoryUrl, eab, vault, turn } = account
  const accountKey = await vault.getOrCreate(`acme/account-key/${directoryUrl}`, async () =>
    (await acme.crypto.createPrivateEcdsaKey()).toString(),
  )
  const open = (accountUrl: string | null) =>
    new acme.Client({
      directoryUrl,
      accountKey,
      ...(accountUrl === null ? {} : { accountUrl }),
      ...(eab ? { externalAccountBinding: eab } : {}),
    })
  const known = await vault.get(urlName(account))
  if (known !== null) return open(known)
  // An issuer may fail the second of two that ask with one key in the same moment, as Pebble does with a 500.
  return turn(async () => {
    const made = await vault.get(urlName(account))
    const client = open(made)
    if (made === null) await register(client, account)
    return client
  })
}

/** The issuer knows an account by its key: asking twice makes one. */
async function register(client: Client, account: Account): Promise<void> {
  const { email, vault } = account
  await client.createAccount({ termsOfServiceAgreed: true, contact: email ? [`mailto:${email}`] : [] })
  await vault.put(urlName(account), client.getAccountUrl())
}

const urlName = ({ directoryUrl }: Account) => `acme/account-url/${directoryUrl}`
