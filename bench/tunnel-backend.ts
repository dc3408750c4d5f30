// The far end of the tunnel benchmark: switches to websocket, then sends as many bytes as the path's query says and
// ends, or swallows them and says `done`.
import { startBackend } from '../test/support/ws-backend.js'

const CHUNK = Buffer.alloc(65_536, 1)
const backend = await startBackend((socket, head) => {
  const [, way = 'down', text = '0'] = /\r\nSec-WebSocket-Protocol: (up|down)\.(\d+)/.exec(head) ?? []
  let left = Number(text)
  if (way === 'up') {
    socket.on('data', part => {
      left -= part.length
      if (left === 0) socket.end('done')
    })
    return
  }
  const send = () => {
    while (left > 0) {
      const part = CHUNK.subarray(0, Math.min(left, CHUNK.length))
      left -= part.length
      if (!socket.write(part)) return
    }
    socket.end()
  }
  socket.on('drain', send)
  socket.resume()
  send()
})
process.send?.({ port: backend.port })
process.on('disconnect', () => process.exit())
