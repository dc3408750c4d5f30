import { expect, test } from 'vitest'
import { readEvents } from './sse.js'

async function* bytes(text: string, size: number): AsyncGenerator<Uint8Array> {
  const all = new TextEncoder().encode(text)
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size)
}
async function read(text: string, size = 1_000) {
  const events = []
  for await (const event of readEvents(bytes(text, size))) events.push(event)
  return events
}

const STREAM =
  ': hello\r\n\r\nid: 4\r\nevent: step\r\ndata: {"a":\r\ndata: "边缘"}\r\n\r\ndata:bare\n\nid: 9\n\ndata: cut'

test.each([1, 2, 3, 7, 1_000])(
  'events come out whole however the bytes come in (%i at a time)',
  async size => {
    expect(await read(STREAM, size)).toEqual([
      { id: '4', event: 'step', data: '{"a":\n"边缘"}' },
      { id: undefined, event: 'message', data: 'bare' },
    ])
  },
)

test('an event without an end is not collected for ever', async () => {
  await expect(read(`data: ${'x'.repeat(5_000_000)}`, 100_000)).rejects.toThrow('without an end')
})
