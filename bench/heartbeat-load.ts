// Beats from many connections, each sending its next as soon as the last is answered. Raw sockets: a client that
// costs more than the server would measure itself.
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const [, , port = '', nodes = '', connections = '', seconds = ''] = process.argv
let seq = 0
let accepted = 0
let refused = 0
let open = 0
let stopped = false

function request(): string {
  const number = seq++ % Number(nodes)
  const node = `bench-${number}`
  const beat = {
    node,
    seq,
    cpu: 0.12,
    mem: 0.4,
    rxBps: 12_345,
    txBps: 54_321,
    connections: 17,
    configVersion: null,
  }
  const body = JSON.stringify(beat)
  const head = `POST /api/v1/agent/heartbeat HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer key-${number}\r\n`
  return `${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

for (let count = 0; count < Number(connections); count += 1) {
  const socket = connect(Number(port), '127.0.0.1').setNoDelay(true)
  open += 1
  socket.on('connect', () => socket.write(request()))
  socket.on('data', data => {
    if (data.toString('latin1', 9, 10) === '2') accepted += 1
    else refused += 1
    if (stopped) socket.end()
    else socket.write(request())
  })
  socket.on('close', () => {
    open -= 1
  })
}

await pause(1_000)
const before = accepted
const begin = performance.now()
await pause(Number(seconds) * 1_000)
const perSecond = ((accepted - before) * 1_000) / (performance.now() - begin)
stopped = true
while (open > 0) await pause(10)
process.send?.({ perSecond, accepted, refused })
process.disconnect?.()
