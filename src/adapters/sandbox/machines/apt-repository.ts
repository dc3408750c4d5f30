import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../run.js'

const CONTROL = `Package: docker.io
Version: 20.10.24+lazarus1
Architecture: all
Section: admin
Priority: optional
Maintainer: The Lazarus project <lazarus@localhost>
Description: stand-in for Docker in sandbox machines
 This is not Docker. \`docker compose up\` runs the commands of services on the
 machine itself. It exists in machines of the Lazarus sandbox only.
`
// Fails while the sandbox wants it to, after unpacking: the package stays half configured, as after a real break.
const POSTINST = `#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
file=/run/sandbox/fail-installs
[ -r "$file" ] || exit 0
read -r left <"$file"
[ "$left" -gt 0 ] || exit 0
echo $((left - 1)) >"$file"
echo "docker.io: broken off by a fault of the sandbox" >&2
exit 1
`
/** Long ago, so that the same input makes the same package. */
const EPOCH = new Date('2024-01-01T00:00:00Z')

/** What a dpkg database says once the stand-in is installed. */
export const INSTALLED = CONTROL.replace('Version:', 'Status: install ok installed\nVersion:')

const hash = (name: 'md5' | 'sha256', data: Buffer | string) => createHash(name).update(data).digest('hex')

/**
 * Makes `repository`: a local apt repository that holds the package `docker.io`, made from the
 * directory `standin`. Returns the directory of the unpacked package (for machines that have it from the start).
 */
export async function buildRepository(repository: string, work: string, standin: string): Promise<string> {
  const tree = join(work, 'docker.io')
  rmSync(tree, { recursive: true, force: true })
  const library = join(tree, 'usr/lib/docker-standin')
  for (const path of ['usr/bin', 'usr/lib/docker-standin', 'DEBIAN']) {
    mkdirSync(join(tree, path), { recursive: true })
  }
  mkdirSync(repository, { recursive: true })
  cpSync(join(standin, 'docker'), join(tree, 'usr/bin/docker'))
  chmodSync(join(tree, 'usr/bin/docker'), 0o755)
  for (const name of ['compose.py', 'service.py']) cpSync(join(standin, name), join(library, name))
  // Compiled here once, not at every call on every machine.
  await run('/usr/bin/python3', ['-m', 'compileall', '-q', '--invalidation-mode', 'unchecked-hash', library])
  writeFileSync(join(tree, 'DEBIAN/control'), CONTROL)
  writeFileSync(join(tree, 'DEBIAN/postinst'), POSTINST, { mode: 0o755 })
  const deb = join(repository, 'docker.io.deb')
  // Uncompressed: unpacking is what every machine pays for.
  await run('dpkg-deb', ['-Znone', '--root-owner-group', '--build', tree, deb])
  writeIndex(repository, deb)
  rmSync(join(tree, 'DEBIAN'), { recursive: true })
  return tree
}

function writeIndex(repository: string, deb: string): void {
  const data = readFileSync(deb)
  const packages = `${CONTROL}Filename: ./docker.io.deb
Size: ${statSync(deb).size}
MD5sum: ${hash('md5', data)}
SHA256: ${hash('sha256', data)}
`
  writeFileSync(join(repository, 'Packages'), packages)
  const release = `Suite: sandbox
Codename: sandbox
Date: ${EPOCH.toUTCString().replace('GMT', 'UTC')}
Architectures: amd64 arm64
SHA256:
 ${hash('sha256', packages)} ${packages.length} Packages
`
  writeFileSync(join(repository, 'Release'), release)
}
