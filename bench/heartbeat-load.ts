// Beats from many connections, each sending its next as soon as the last is answered. Raw sockets: a client that
// costs more than the server would measure itself. Ends after its time, or when the server is gone.
//   heartbeat-load.ts PORT NODES CONNECTIONS SECONDS FIRST_SEQ
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const [port = 0, nodes = 0, connections = 0, seconds = 0, first = 0] = process.argv.slice(2).map(Number)
/** The highest acknowledged number of each node. */
const highest = new Array<number>(nodes).fill(-1)
let seq = first
let accepted = 0
let refused = 0
let open = 0
let stopped = false

function request(number: number): string {
  const node = number % nodes
  const body = JSON.stringify({
    node: `bench-${node}`,
    seq: number,
    cpu: 0.12,
    mem: 0.4,
    rxBps: 12_345,
    txBps: 54_321,
    connections: 17,
    configVersion: null,
  })
  const head = `POST /api/v1/agent/heartbeat HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer key-${node}\r\n`
  return `${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

function beat(socket: Socket): void {
  let sent = 0
  const send = () => {
    sent = seq++
    socket.write(request(sent))
  }
  socket.on('connect', send)
  socket.on('data', data => {
    if (data.toString('latin1', 9, 10) === '2') {
      accepted += 1
      highest[sent % nodes] = Math.max(highest[sent % nodes] ?? -1, sent)
    } else refused += 1
    if (stopped) socket.end()
    else send()
  })
}

for (let count = 0; count < connections; count += 1) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true)
  open += 1
  beat(socket)
  // A server that was killed; what it had not answered does not count.
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    open -= 1
  })
}

await pause(1_000)
const before = accepted
const begin = performance.now()
while (open > 0 && performance.now() - begin < seconds * 1_000) await pause(10)
const perSecond = ((accepted - before) * 1_000) / (performance.now() - begin)
stopped = true
while (open > 0) await pause(10)
process.send?.({ perSecond, accepted, refused, highest, next: seq })
process.disconnect?.()
