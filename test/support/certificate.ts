import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from './temp.js'

/** A self-signed certificate (PEM) for one name, over the key given (PEM, PKCS #8). */
export function selfSigned(name: string, privateKey: string): string {
  const directory = tempDir()
  const [key, chain] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  writeFileSync(key, privateKey, { mode: 0o600 })
  const names = ['-subj', `/CN=${name.slice(0, 64)}`, '-addext', `subjectAltName=DNS:${name}`]
  execFileSync('openssl', ['req', '-x509', '-key', key, '-out', chain, '-days', '2', ...names], {
    stdio: 'pipe',
  })
  return readFileSync(chain, 'utf8')
}
