import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { readClientSettings } from '../../config/env.js'
import { createProgram } from '../program.js'
import { generatedFiles } from './generate.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const generated = new Set(Object.keys(generatedFiles()))
const pages = [
  ...readdirSync(root).filter(file => file.endsWith('.md')),
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .map(file => path.join('docs', file))
    .filter(file => file.endsWith('.md') && !generated.has(file)),
]

/** The links of a page to other files of the repository, as they are written. */
const links = (text: string): string[] =>
  [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)]
    .map(([, markdown, html]) => markdown ?? html ?? '')
    .filter(link => !/^[a-z]+:/.test(link))

/** The anchors that the headings of a page make. */
const anchors = (text: string): string[] =>
  [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  )

function brokenLinks(page: string): string[] {
  return links(read(page)).filter(link => {
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? page : path.join(path.dirname(page), file)
    if (generated.has(target)) return false
    if (!existsSync(path.join(root, target))) return true
    return anchor !== undefined && !anchors(read(target)).includes(decodeURIComponent(anchor))
  })
}

/** Everything on a page that is set as code, a line each. */
const code = (text: string): string[] =>
  [...text.matchAll(/^```.*\n([\s\S]*?)^```|`([^`\n]+)`/gm)].flatMap(([, block, span]) =>
    (block ?? span ?? '').split('\n'),
  )

const program = createProgram({
  io: { stdout: process.stdout, stderr: process.stderr },
  settings: () => readClientSettings({}),
  signal: new AbortController().signal,
})

const child = (command: Command, name = ''): Command | undefined =>
  command.commands.find(each => each.name() === name || each.aliases().includes(name))

/** What is wrong with the words after `lazarus`; undefined when they can be typed. */
function fault(words: string[]): string | undefined {
  let command = child(program, words[0])
  if (!command) return `no command "${words[0]}"`
  if (command.commands.length > 0) {
    const named = /^[a-z][a-z-]*$/.test(words[1] ?? '')
    command = named ? child(command, words[1]) : (child(command, 'list') ?? command)
    if (!command) return `no command "${words[0]} ${words[1]}"`
  }
  const known = new Set(['--help', ...command.options.map(option => option.long)])
  const unknown = words.find(word => /^--[a-z]/.test(word) && !known.has(word.split('=')[0] ?? ''))
  return unknown && `"${command.name()}" has no option ${unknown}`
}

const targets = new Set([...read('Makefile').matchAll(/^([a-z-]+):/gm)].map(([, name]) => name))
const scripts = new Set(Object.keys(JSON.parse(read('package.json')).scripts))

/** The commands on a page that cannot be typed. */
function badCommands(page: string): string[] {
  return code(read(page)).flatMap(line => {
    const ours = [...line.matchAll(/(?:^|[\s/])lazarus ((?:[a-z][a-z-]*)(?![\w:.])(?: [^|#;&)]*)?)/g)]
    const makes = [...line.matchAll(/(?:^|\s)make ([a-z-]+)/g)].filter(([, name]) => !targets.has(name))
    const runs = [...line.matchAll(/npm run ([a-z-]+)/g)].filter(([, name = '']) => !scripts.has(name))
    const faults = ours.flatMap(([, words = '']) => fault(words.trim().split(/\s+/)) ?? [])
    return [...faults, ...makes.map(([text]) => text.trim()), ...runs.map(([text]) => text)]
  })
}

test.each(pages)('%s: links lead somewhere, commands can be typed', page => {
  expect({ links: brokenLinks(page), commands: badCommands(page) }).toEqual({ links: [], commands: [] })
})

test('a command that does not exist is found', () => {
  expect(fault(['scale-out', 'edge', '3', '--wait'])).toBeUndefined()
  expect(fault(['scale-up', 'edge'])).toBe('no command "scale-up"')
  expect(fault(['nodes', 'revive', 'edge-1'])).toBe('no command "nodes revive"')
  expect(fault(['runs', 'list', '--state', 'failed'])).toBe('"list" has no option --state')
})

test('the README in Chinese has the same parts and the same commands as the one in English', () => {
  const parts = (page: string) => read(page).match(/^#{1,3} |^[-\d][.\s]/gm)?.length
  const typed = (page: string) =>
    code(read(page)).flatMap(line =>
      /^(bin\/lazarus|make|docker|export|curl) /.test(line) ? (line.split(' #')[0] ?? '').trimEnd() : [],
    )
  expect(parts('README.zh-CN.md')).toBe(parts('README.md'))
  expect(typed('README.zh-CN.md')).toEqual(typed('README.md'))
})
