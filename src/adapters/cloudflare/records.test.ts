import { expect, test } from 'vitest'
import type { RecordSet } from '../../ports/dns.js'
import { changeTo as change, commentOf, type Stored, toSets } from './records.js'

const set = (type: RecordSet['type'], ...values: string[]): RecordSet => ({
  zone: 'lazarus.test',
  name: 'a.lazarus.test',
  type,
  values,
})
const stored = (id: string, type: string, content: string, rest: Partial<Stored> = {}): Stored => ({
  id,
  name: 'a.lazarus.test',
  type,
  content,
  ttl: 60,
  proxied: false,
  comment: COMMENT,
  ...rest,
})
const COMMENT = commentOf('lazarus-1')
const changeTo = (...[records, there]: [RecordSet, Stored[]]) => change(records, there, COMMENT)
const ids = (list: { id: string }[]) => list.map(({ id }) => id)

test('what is as it should be is left alone', () => {
  const there = [stored('1', 'AAAA', '2001:db8:0:0::1'), stored('2', 'AAAA', '2001:db8::2')]
  const made = changeTo(set('AAAA', '2001:db8::2', '2001:0db8::0001'), there)
  expect(made).toEqual({ deletes: [], puts: [], posts: [] })
})

test('missing values take the place of surplus ones before anything is removed or added', () => {
  const there = [
    stored('1', 'A', '198.51.100.1'),
    stored('2', 'A', '198.51.100.2'),
    stored('3', 'A', '198.51.100.3'),
  ]
  const one = changeTo(set('A', '198.51.100.9'), there)
  expect([ids(one.deletes), ids(one.puts), one.posts]).toEqual([['2', '3'], ['1'], []])
  const more = changeTo(set('A', '198.51.100.3', '198.51.100.7', '198.51.100.8', '198.51.100.9'), there)
  expect(more.puts.map(({ id, content }) => [id, content])).toEqual([
    ['1', '198.51.100.7'],
    ['2', '198.51.100.8'],
  ])
  expect([more.deletes, more.posts.map(({ content }) => content)]).toEqual([[], ['198.51.100.9']])
})

test.each<Partial<Stored>>([{ ttl: 1 }, { proxied: true }, { comment: null }, { comment: 'by hand' }])(
  'the right value with %j is put right in place',
  wrong => {
    const made = changeTo(set('A', '198.51.100.1'), [stored('1', 'A', '198.51.100.1', wrong)])
    expect(made.puts).toEqual([
      {
        id: '1',
        name: 'a.lazarus.test',
        type: 'A',
        content: '198.51.100.1',
        ttl: 60,
        proxied: false,
        comment: COMMENT,
      },
    ])
  },
)

test('the same value twice in store is reduced to one', () => {
  const there = [stored('1', 'TXT', '"x"'), stored('2', 'TXT', 'x')]
  const made = changeTo(set('TXT', 'x'), there)
  expect([ids(made.deletes), made.puts, made.posts]).toEqual([['2'], [], []])
})

test('text is quoted on the way out and read back from every form', () => {
  expect(changeTo(set('TXT', String.raw`a "b" \c`), []).posts[0]?.content).toBe(String.raw`"a \"b\" \\c"`)
  const forms = [String.raw`"a \"b\" \\c"`, 'bare', '"in two " "parts"']
  const [read] = toSets(
    'lazarus.test',
    forms.map((content, index) => stored(String(index), 'TXT', content)),
  )
  expect(read?.values).toEqual([String.raw`a "b" \c`, 'bare', 'in two parts'])
})

test('records of other types make no set', () => {
  expect(
    toSets('lazarus.test', [stored('1', 'CNAME', 'b.lazarus.test'), stored('2', 'A', '198.51.100.1')]),
  ).toEqual([set('A', '198.51.100.1')])
})
