import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import dns, { type Packet } from 'dns-packet'
import type { Logger } from 'pino'
import { answerQuery, type DnsData, udpLimit } from './dns-answer.js'

const IDLE_MS = 10_000

/** A name server on one address; `port` is the one it got. */
export interface DnsServer {
  port: number
  close(): Promise<void>
}

/**
 * Starts a name server on UDP and TCP that answers from what `data` returns at that moment and forwards nothing.
 * Port 0 takes a free one. Throws when the address is taken (`EADDRINUSE`).
 */
export async function startDns(
  host: string,
  port: number,
  data: () => DnsData,
  log: Logger,
): Promise<DnsServer> {
  const tcp = createServer(socket => serveTcp(socket, data, log))
  tcp.listen(port, host)
  await once(tcp, 'listening')
  const address = tcp.address()
  const taken = typeof address === 'object' && address ? address.port : port
  const udp = createSocket('udp4')
  try {
    udp.bind(taken, host)
    await once(udp, 'listening')
  } catch (error) {
    tcp.close()
    throw error
  }
  serveUdp(udp, data, log)
  return { port: taken, close: () => closeBoth(tcp, udp) }
}

async function closeBoth(tcp: Server, udp: UdpSocket): Promise<void> {
  udp.close()
  tcp.close()
  await once(tcp, 'close')
}

function serveUdp(udp: UdpSocket, data: () => DnsData, log: Logger): void {
  udp.on('message', (message, peer) => {
    const answer = respond(message, data(), log, 'udp')
    if (answer) udp.send(answer, peer.port, peer.address)
  })
  udp.on('error', error => log.warn({ err: error }, 'DNS over UDP'))
}

const truncated = (answer: Packet): Packet => ({
  ...answer,
  flags: (answer.flags ?? 0) | dns.TRUNCATED_RESPONSE,
  answers: [],
  authorities: [],
})

function serveTcp(socket: Socket, data: () => DnsData, log: Logger): void {
  let pending: Buffer = Buffer.alloc(0)
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('error', error => log.debug({ err: error }, 'DNS over TCP'))
  socket.on('data', chunk => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = pending.readUInt16BE(0)
      const answer = respond(pending.subarray(2, 2 + length), data(), log, 'tcp')
      pending = pending.subarray(2 + length)
      if (!answer) return socket.destroy()
      socket.write(answer)
    }
  })
}

/** The bytes to send back, or null for what is no DNS message. */
function respond(message: Buffer, data: DnsData, log: Logger, over: 'udp' | 'tcp'): Buffer | null {
  try {
    const query = dns.decode(message)
    const answer = answerQuery(query, data)
    if (over === 'tcp') return dns.streamEncode(answer)
    const bytes = dns.encode(answer)
    return bytes.length > udpLimit(query) ? dns.encode(truncated(answer)) : bytes
  } catch (error) {
    log.debug({ err: error }, 'a DNS message that is none')
    return null
  }
}
