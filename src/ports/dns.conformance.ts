import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DnsPort, RecordSet } from './dns.js'

/** What a suite needs: a port, a zone it may change, and how to put in a record that is not ours. */
export interface DnsSetting {
  dns: DnsPort
  zone: string
  addForeign(record: { name: string; type: string; content: string }): Promise<void>
  /** What the world sees under a name, in any order. */
  lookUp(name: string, type: 'A' | 'AAAA' | 'TXT'): Promise<string[]>
  done(): Promise<void>
}

/** Every adapter of `DnsPort` does this. */
export function dnsConformance(name: string, make: () => Promise<DnsSetting>): void {
  describe(`${name}: DnsPort`, () => {
    let setting: DnsSetting
    const never = new AbortController().signal
    const fqdn = (label: string) => `${label}.${setting.zone}`
    const a = (label: string, ...values: string[]): RecordSet => ({
      zone: setting.zone,
      name: fqdn(label),
      type: 'A',
      values,
    })
    beforeAll(async () => {
      setting = await make()
    })
    afterAll(() => setting?.done())
    const seen = async (set: RecordSet) => (await setting.lookUp(set.name, set.type)).sort()

    test('sets, changes and removes a set', async () => {
      const set = a('one.edge', '198.51.100.1')
      await setting.dns.set(set, never)
      expect(await seen(set)).toEqual(['198.51.100.1'])
      await setting.dns.set({ ...set, values: ['198.51.100.2'] }, never)
      expect(await seen(set)).toEqual(['198.51.100.2'])
      await setting.dns.remove(set, never)
      expect(await seen(set)).toEqual([])
    })
    test('makes a set of several values exactly these', async () => {
      await setting.dns.set(a('many.edge', '198.51.100.1', '198.51.100.2', '198.51.100.3'), never)
      const set = a('many.edge', '198.51.100.3', '198.51.100.4')
      await setting.dns.set(set, never)
      expect(await seen(set)).toEqual(['198.51.100.3', '198.51.100.4'])
    })
    test('changes nothing when run again, and takes a value given twice as one', async () => {
      const set = a('again.edge', '198.51.100.1', '198.51.100.1')
      await setting.dns.set(set, never)
      await setting.dns.set(set, never)
      expect(await seen(set)).toEqual(['198.51.100.1'])
    })
    test('keeps types apart', async () => {
      const v4 = a('both.edge', '198.51.100.1')
      const v6: RecordSet = { ...v4, type: 'AAAA', values: ['2001:0db8:0::1'] }
      await setting.dns.set(v4, never)
      await setting.dns.set(v6, never)
      await setting.dns.set(v6, never)
      await setting.dns.remove(v4, never)
      expect(await seen(v4)).toEqual([])
      expect(await seen(v6)).toEqual(['2001:db8::1'])
    })
    test('carries any printable text in TXT', async () => {
      const values = ['plain', 'with "quotes" and \\', 'k7-_Zq=, ;'].sort()
      const set: RecordSet = { ...a('text.edge'), type: 'TXT', values }
      await setting.dns.set(set, never)
      await setting.dns.set(set, never)
      expect(await seen(set)).toEqual(values)
    })
    test('takes over what somebody else put under the name', async () => {
      const set = a('taken.edge', '198.51.100.1')
      await setting.addForeign({ name: set.name, type: 'A', content: '198.51.100.1' })
      await setting.addForeign({ name: set.name, type: 'A', content: '198.51.100.9' })
      await setting.dns.set(set, never)
      expect(await seen(set)).toEqual(['198.51.100.1'])
      expect(await setting.dns.list(setting.zone, never)).toContainEqual(set)
    })
    test('removing what is not there succeeds', () => setting.dns.remove(a('never.edge'), never))

    test('lists what it made, whole, and nothing else', async () => {
      const sets = Array.from({ length: 120 }, (_, index) =>
        a(`list-${index}.edge`, `198.51.100.${index}`, '203.0.113.1'),
      )
      await setting.addForeign({ name: fqdn('foreign'), type: 'A', content: '198.51.100.77' })
      for (const set of sets) await setting.dns.set(set, never)
      const listed = await setting.dns.list(setting.zone, never)
      const ours = listed.filter(set => set.name.startsWith('list-'))
      const order = (some: RecordSet[]) =>
        some
          .map(set => ({ ...set, values: [...set.values].sort() }))
          .sort((x, y) => (x.name < y.name ? -1 : 1))
      expect(order(ours)).toEqual(order(sets))
      expect(listed.map(set => set.name)).not.toContain(fqdn('foreign'))
    }, 60_000)

    test('an unknown zone is an error for good', async () => {
      const set: RecordSet = {
        zone: 'unknown.test',
        name: 'x.unknown.test',
        type: 'A',
        values: ['198.51.100.1'],
      }
      await expect(setting.dns.set(set, never)).rejects.toMatchObject({
        code: 'zone-not-found',
        retryable: false,
      })
      await expect(setting.dns.list('unknown.test', never)).rejects.toMatchObject({ code: 'zone-not-found' })
    })
    test.each([
      ['no values', { values: [] }],
      ['a name outside the zone', { name: 'x.elsewhere.test' }],
      ['a name that only ends alike', { name: 'evil-lazarus.test' }],
      ['a name that is none', { name: 'a b.lazarus.test' }],
      ['an address that is none', { values: ['198.51.100.256'] }],
      ['an IPv6 address as A', { values: ['2001:db8::1'] }],
    ])('refuses %s', async (_, wrong) => {
      const set = setting.dns.set({ ...a('bad', '198.51.100.1'), ...wrong }, never)
      await expect(set).rejects.toMatchObject({ code: 'bad-record', retryable: false })
    })
    test('does nothing once aborted', async () => {
      const set = a('aborted.edge', '198.51.100.1')
      const reason = new Error('cancelled')
      await expect(setting.dns.set(set, AbortSignal.abort(reason))).rejects.toBe(reason)
      expect(await seen(set)).toEqual([])
    })
  })
}
