#!/usr/bin/env -S unshare --net node
// Chromium gives up all it is loading whenever an address of its machine comes or goes, and those of other tests do
// so all the time. Here it has a network of its own, in which only the port of one server is to be had.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'

const { BROWSER = '', BROWSER_PORT, BROWSER_SOCKET = '' } = process.env
execFileSync('ip', ['link', 'set', 'lo', 'up'])
// Either end may go first, as between browser and server.
const server = createServer(client => pipeline(client, connect(BROWSER_SOCKET), client, () => undefined))
await once(server.listen(Number(BROWSER_PORT), '127.0.0.1'), 'listening')
// 3 and 4 are the pipes by which the browser is told what to do.
const browser = spawn(BROWSER, process.argv.slice(2), { stdio: [0, 1, 2, 3, 4] })
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => browser.kill(signal))
const [code] = await once(browser, 'exit')
process.exit(code ?? 1)
