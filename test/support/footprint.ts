import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Everything on this machine that has to do with a directory: processes that name it or live in it (machines carry it
 * in their environment), mounts below it, network bridges made for it. Namespaces live as long as their processes.
 */
export function footprint(directory: string): string[] {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
  const links = execFileSync('ip', ['-details', '-oneline', 'link'], { encoding: 'utf8' }).split('\n')
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
  return [
    ...mounts.filter(line => line.includes(directory)),
    ...links.filter(line => line.includes(directory)),
    ...processes.filter(pid => isAbout(pid, directory)).map(pid => `process ${pid}: ${commandOf(pid)}`),
  ]
}

const commandOf = (pid: string): string =>
  read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')

const isAbout = (pid: string, directory: string): boolean =>
  commandOf(pid).includes(directory) ||
  read(() => readlinkSync(`/proc/${pid}/cwd`)).includes(directory) ||
  read(() => readFileSync(`/proc/${pid}/environ`, 'utf8')).includes(directory)

/** A process may end while we look at it. */
function read(look: () => string): string {
  try {
    return look()
  } catch {
    return ''
  }
}
