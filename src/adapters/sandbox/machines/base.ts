import { cpSync, existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../run.js'
import { buildRepository, INSTALLED } from './apt-repository.js'

/** Files of ours that are not TypeScript; they lie beside the source, also when this runs compiled. */
export function assetFile(name: string): string {
  const here = join(dirname(fileURLToPath(import.meta.url)), 'assets', name)
  return existsSync(here) ? here : here.replace(/\/dist\/src\//, '/src/')
}

const ACCOUNTS = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`
const GROUPS = `root:x:0:
daemon:x:1:
bin:x:2:
adm:x:4:
tty:x:5:
man:x:12:
shadow:x:42:
www-data:x:33:
nogroup:x:65534:
`
const SSHD = `HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PidFile none
MaxStartups 200
Subsystem sftp internal-sftp
`
// One list, no caches, no privilege games, no forced writes: installing must cost little.
const APT = `APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dpkg::Use-Pty "false";
`
/** Files of a machine that are the same on all. */
const FILES: Record<string, string> = {
  'etc/passwd': ACCOUNTS,
  'etc/group': GROUPS,
  'etc/shadow': ACCOUNTS.replace(/^(.*?):.*$/gm, '$1:*:19000:0:99999:7:::'),
  'etc/nsswitch.conf':
    'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  'etc/ssh/sshd_config': SSHD,
  'etc/apt/apt.conf': APT,
  'etc/apt/sources.list': 'deb [trusted=yes] file:/srv/apt ./\n',
  'etc/dpkg/dpkg.cfg': 'force-unsafe-io\nno-debsig\n',
  'etc/profile': 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n',
  'var/lib/dpkg/status': '',
  'var/lib/dpkg/available': '',
}
const DIRECTORIES = [
  'boot dev/pts dev/shm etc/apt/apt.conf.d etc/apt/preferences.d etc/apt/trusted.gpg.d etc/dpkg home media mnt',
  'opt proc root run srv/apt sys tmp usr var/cache/apt/archives/partial var/lib/apt/lists/partial var/lib/dpkg/info',
  'var/lib/dpkg/updates var/lib/dpkg/alternatives var/lib/dpkg/triggers var/log/apt var/log/nginx var/tmp',
  'var/lib/nginx/body var/lib/nginx/proxy var/lib/nginx/fastcgi var/lib/nginx/uwsgi var/lib/nginx/scgi var/mail',
].flatMap(line => line.split(' '))
/** What a machine takes over from the host: nothing secret, nothing that changes while it runs. */
const FROM_HOST = [
  'bin sbin lib lib32 lib64 libx32 etc/alternatives etc/debian_version etc/ld.so.cache etc/ld.so.conf',
  'etc/ld.so.conf.d etc/localtime etc/protocols etc/services etc/ssl/certs/ca-certificates.crt etc/ssl/openssl.cnf',
].flatMap(line => line.split(' '))
/** Programs of the host that a fresh machine would not have. */
const HIDDEN = 'local bin/docker bin/docker-compose bin/dockerd sbin/dockerd libexec/docker lib/docker'.split(
  ' ',
)

const NODES = `set -eu
cd "$1"
node() { mknod -m 666 "dev/$1" c 1 "$2"; }
node null 3; node zero 5; node full 7; node random 8; node urandom 9
mknod -m 666 dev/tty c 5 0
shift; cd ../usr-mask
for path in "$@"; do mkdir -p "$(dirname "$path")"; mknod "$path" c 0 0; done
`

/** The layers below every machine's own: directory names, the topmost first, for `lowerdir`. */
export interface Layers {
  root: string[]
  usr: string[]
}

/** Makes the layers below `directory`, anew at every start of the sandbox: about a tenth of a second. */
export async function buildBase(directory: string): Promise<void> {
  rmSync(directory, { recursive: true, force: true })
  const root = join(directory, 'root')
  for (const path of DIRECTORIES) mkdirSync(join(root, path), { recursive: true })
  for (const path of ['local/bin', 'local/sbin', 'local/lib']) {
    mkdirSync(join(directory, 'usr-top', path), { recursive: true })
  }
  mkdirSync(join(directory, 'usr-mask'))
  for (const path of FROM_HOST) copyFromHost(path, root)
  for (const [path, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  for (const [link, target] of LINKS) symlinkSync(target, join(root, link))
  await run('chmod', ['1777', join(root, 'tmp'), join(root, 'var/tmp'), join(root, 'dev/shm')])
  await run('chmod', ['0700', join(root, 'root')])
  await run('chmod', ['0640', join(root, 'etc/shadow')])
  await run('sh', ['-c', NODES, 'nodes', root, ...HIDDEN])
  const tree = await buildRepository(join(root, 'srv/apt'), directory, assetFile('standin'))
  layOutDocker(directory, tree)
}

const LINKS = [
  ['dev/fd', '/proc/self/fd'],
  ['dev/stdin', '/proc/self/fd/0'],
  ['dev/stdout', '/proc/self/fd/1'],
  ['dev/stderr', '/proc/self/fd/2'],
  ['dev/ptmx', 'pts/ptmx'],
  ['etc/os-release', '../usr/lib/os-release'],
  ['etc/mtab', '../proc/self/mounts'],
  ['var/run', '/run'],
] as const

function copyFromHost(path: string, root: string): void {
  const source = join('/', path)
  if (!lstatSync(source, { throwIfNoEntry: false })) return
  mkdirSync(dirname(join(root, path)), { recursive: true })
  cpSync(source, join(root, path), { recursive: true, verbatimSymlinks: true })
}

/** The image `docker-ce` is Debian with the stand-in installed: two more layers. */
function layOutDocker(directory: string, tree: string): void {
  const database = join(directory, 'docker-root/var/lib/dpkg')
  mkdirSync(join(database, 'info'), { recursive: true })
  writeFileSync(join(database, 'status'), INSTALLED)
  writeFileSync(
    join(database, 'info/docker.io.list'),
    '/.\n/usr\n/usr/bin\n/usr/bin/docker\n/usr/lib\n/usr/lib/docker-standin\n',
  )
  cpSync(join(tree, 'usr'), join(directory, 'docker-usr'), { recursive: true })
}

/** The layers of an image. */
export const layersOf = (image: 'debian-12' | 'docker-ce'): Layers => {
  const docker = image === 'docker-ce'
  return {
    root: [...(docker ? ['docker-root'] : []), 'root'],
    usr: [...(docker ? ['docker-usr'] : []), 'usr-top', 'usr-mask'],
  }
}
