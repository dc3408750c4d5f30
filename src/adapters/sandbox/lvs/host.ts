import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lastWords, type Stage } from './stage.js'

/** Ports on which a host serves without and with TLS. */
export const HTTP_PORTS = [80, 8080] as const
export const HTTPS_PORTS = [443, 8443] as const
/** What `/slow` sends, and how fast: it takes four seconds. */
const SLOW = { bytes: 64_000, rate: 16_000 }

/**
 * An nginx host behind the balancers. `/` answers with its name, `/slow` takes some seconds. The headers `x-host` and
 * `x-from` say who answers, and the address that asked: a local address of the balancer.
 */
export class Host {
  private nginx: { child: ChildProcess; ended: Promise<unknown> } | null = null

  private constructor(
    readonly name: string,
    readonly ip: string,
    private readonly stage: Stage,
    private readonly prefix: string,
  ) {}

  /** Cables a host and lays out its files below `directory`. `tls`: a PEM file with a key; its certificate is in the file with `.crt` behind that name. */
  static async make(
    stage: Stage,
    { name, ip, directory, tls }: { name: string; ip: string; directory: string; tls: string },
  ): Promise<Host> {
    const prefix = join(directory, name)
    mkdirSync(join(prefix, 'www'), { recursive: true })
    mkdirSync(join(prefix, 'temp'), { recursive: true })
    writeFileSync(join(prefix, 'nginx.conf'), configuration(name, tls))
    writeFileSync(join(prefix, 'www/slow'), `${name}\n`.padEnd(SLOW.bytes, '.'))
    await stage.batch([
      `netns add ${name}`,
      `link add ${name} type veth peer name eth0 netns ${name}`,
      `link set ${name} master switch`,
      `link set ${name} up`,
    ])
    await stage.batch(['link set lo up', `address add ${ip}/24 dev eth0`, 'link set eth0 up'], name)
    return new Host(name, ip, stage, prefix)
  }

  /** Starts its nginx and waits until it listens. */
  async start(): Promise<void> {
    if (this.nginx) return
    const child = this.stage.spawn(
      ['nginx', '-p', this.prefix, '-c', 'nginx.conf', '-g', 'daemon off;'],
      this.name,
    )
    const ended = once(child, 'close').catch(String)
    const words = lastWords(child)
    this.nginx = { child, ended }
    const probe = [
      'curl',
      '-sSf',
      '-o',
      '/dev/null',
      '--retry',
      '50',
      '--retry-connrefused',
      '--retry-delay',
      '0',
    ]
    await Promise.race([
      this.stage.run([...probe, `http://${this.ip}/`], this.name),
      ended.then(() => {
        throw new Error(`nginx of ${this.name} ended: ${words()}`)
      }),
    ])
  }

  /** Kills its nginx: connections are refused from then on. */
  async kill(): Promise<void> {
    const { nginx } = this
    this.nginx = null
    if (!nginx) return
    await this.stage.run(['sh', '-c', 'ip netns pids "$1" | xargs -r kill -9', 'sh', this.name])
    await nginx.ended
  }
}

const configuration = (name: string, tls: string): string => `user root;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path temp/body;
  proxy_temp_path temp/proxy;
  fastcgi_temp_path temp/fastcgi;
  uwsgi_temp_path temp/uwsgi;
  scgi_temp_path temp/scgi;
  default_type text/plain;
  ssl_certificate ${tls}.crt;
  ssl_certificate_key ${tls};
  server {
${[...HTTP_PORTS.map(String), ...HTTPS_PORTS.map(port => `${port} ssl`)].map(each => `    listen ${each};\n`).join('')}    add_header x-host ${name};
    add_header x-from $remote_addr;
    location / { return 200 "${name}\\n"; }
    location = /slow { root www; limit_rate ${SLOW.rate}; }
  }
}
`
