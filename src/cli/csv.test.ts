import { describe, expect, test } from 'vitest'
import { readCsv } from './csv.js'

const columns = ['name', 'note', 'plan']
const read = (text: string) => readCsv(text, columns).map(({ line, fields }) => [line, fields])

describe('CSV', () => {
  test('is read as spreadsheets write it', () => {
    expect(read('\ufeffName,note\r\nann,"a ""b"", c"\r\n\r\n bob , \r\n"ca\nrol",x')).toEqual([
      [2, { name: 'ann', note: 'a "b", c' }],
      [4, { name: 'bob', note: '' }],
      [5, { name: 'ca\nrol', note: 'x' }],
    ])
    expect(read('name\nann')).toEqual([[2, { name: 'ann' }]])
    expect(read('plan,name\n,ann\n')).toEqual([[2, { plan: '', name: 'ann' }]])
    expect(read('name,note\nann,')).toEqual([[2, { name: 'ann', note: '' }]])
    expect(read('name\n')).toEqual([])
  })

  test.each([
    ['', 'must name columns'],
    ['name,password\nann,x', '"password"'],
    ['name\nann,x', 'line 2 has more fields'],
    ['name,note\nann,x\nbob,"open', 'line 3 is not CSV'],
    ['name\nan"n', 'line 2 is not CSV'],
  ])('%j is refused', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })

  test('a long file is read at once', () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => `user-${index},"note ${index}"`)
    expect(read(`name,note\n${rows.join('\n')}`)).toHaveLength(100_000)
  })
})
