import { expect, test } from 'vitest'
import { greet, nameServers, readResolvers, settleFiles, settleTls } from './machine.js'

test('looks', () => {
  expect(greet()).toEqual(['uname', '-srm'])
  expect(readResolvers()).toEqual(['cat', '/etc/resolv.conf'])
})

test('settles the files, and hands the trusted issuers in only where they are needed', () => {
  const script = `cd -- "$1"; mkdir -p nginx/logs redis; chmod 0700 agent redis tls v2ray
chown -R www-data:www-data agent nginx redis tls v2ray`
  const steps = [['sh', '-euc', script, 'settle', '/opt/lazarus']]
  const bundle = ['install', '-m', '0644', '/etc/ssl/certs/ca-certificates.crt', '/opt/lazarus/tls/ca.pem']
  expect(settleFiles('http://198.18.0.1:8080')).toEqual(steps)
  expect(settleFiles('https://lazarus.example.com')).toEqual([...steps, bundle])
})

test('a new certificate is handed to nginx', () => {
  expect(settleTls()).toEqual(['chown', '-R', 'www-data:www-data', '/opt/lazarus/tls'])
})

test('finds the name servers that nginx can use', () => {
  const text = [
    '# by systemd',
    'search example.com',
    'nameserver 127.0.0.53',
    '  nameserver\t2606:4700::1111  ',
    'nameserver fe80::1%eth0',
    'nameserver 127.0.0.53',
    'nameserver 1.2.3',
    'nameserver 1.1.1.1;evil',
    '#nameserver 9.9.9.9',
    'options edns0',
  ].join('\n')
  expect(nameServers(text)).toEqual(['127.0.0.53', '2606:4700::1111'])
  expect(nameServers('')).toEqual([])
  expect(nameServers(Array.from({ length: 20 }, (_, i) => `nameserver 10.0.0.${i}`).join('\n'))).toHaveLength(
    8,
  )
})
