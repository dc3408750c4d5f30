import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { decode, encode } from 'dns-packet'

/** A name server on 127.0.0.1 whose names lead to loopback, some of them by tricks. */
export interface Names {
  port: number
  close(): Promise<void>
}

/** `after`: milliseconds until the answer is sent. */
type Reply = string | { address: string; after: number }

/** What a name answers the n-th time it is asked for this type. */
const NAMES: Record<string, Partial<Record<'A' | 'AAAA', (time: number) => Reply[]>>> = {
  'target.test': { A: () => ['127.0.0.1'] },
  'mixed.test': { A: () => ['127.0.0.9', '127.0.0.1'], AAAA: () => ['::1'] },
  'late.test': { A: () => ['127.0.0.1'], AAAA: () => [{ address: '::1', after: 40 }] },
  'rebind.test': { A: time => [time % 2 === 0 ? '127.0.0.1' : '127.0.0.9'], AAAA: () => ['::1'] },
  'six.test': { AAAA: () => ['::1', '::ffff:127.0.0.1'] },
}

/** Starts one. Every answer may be kept for a second; a name that is not among the above has no address. */
export async function startNames(): Promise<Names> {
  const socket = createSocket('udp4')
  const times = new Map<string, number>()
  const answer = async (message: Buffer, port: number, address: string): Promise<void> => {
    const { id = 0, questions = [] } = decode(message)
    const [question] = questions
    if (question?.type !== 'A' && question?.type !== 'AAAA') return
    const { name, type } = question
    const key = `${name} ${type}`
    const time = times.get(key) ?? 0
    times.set(key, time + 1)
    const found = NAMES[name]?.[type]?.(time) ?? []
    const replies = found.map(each => (typeof each === 'string' ? { address: each, after: 0 } : each))
    const answers = replies.map(reply => ({ name, type, ttl: 1, data: reply.address }))
    const wait = Math.max(0, ...replies.map(reply => reply.after))
    if (wait > 0) await pause(wait)
    socket.send(encode({ type: 'response', id, questions, answers }), port, address)
  }
  socket.on('message', (message, { port, address }) => void answer(message, port, address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    async close() {
      socket.close()
      await once(socket, 'close')
    },
  }
}
