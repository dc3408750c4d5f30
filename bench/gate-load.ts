import { once } from 'node:events'
import { connect } from 'node:net'

const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'

/** How many answers there were, by status. */
export type Statuses = Record<number, number>

/**
 * Sends `count` requests over `connections` connections that stay open, each the next one after its answer, and
 * counts the answers. `pathOf`: the path of the n-th request.
 */
export async function load(
  port: number,
  count: number,
  connections: number,
  pathOf: (n: number) => string,
): Promise<Statuses> {
  const statuses: Statuses = {}
  let sent = 0
  const converse = async () => {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    await once(socket, 'connect')
    const next = () => {
      if (sent >= count) return void socket.end()
      const path = pathOf(sent++)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: ${AGENT}\r\nAccept: */*\r\n\r\n`)
    }
    let rest = ''
    socket.on('data', part => {
      rest += part.toString('latin1')
      const end = answerEnd(rest)
      if (end === null) return
      const status = Number(rest.slice(9, 12))
      statuses[status] = (statuses[status] ?? 0) + 1
      rest = rest.slice(end)
      next()
    })
    const closed = once(socket, 'close')
    next()
    await closed
  }
  await Promise.all(Array.from({ length: connections }, converse))
  return statuses
}

/** Where the first answer in a text ends; null while it is not whole. */
function answerEnd(text: string): number | null {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return null
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head + 2))?.[1] ?? '0'
  const end = head + 4 + Number(length)
  return text.length >= end ? end : null
}
