// What the provisioners of the built-in stack run: makes or removes one server through the Hetzner Cloud API.
//   node hcloud-rest.mjs create|delete
// Everything comes through the environment, nothing secret is ever in the arguments:
//   HCLOUD_ENDPOINT, HCLOUD_TOKEN   the API
//   LAZARUS_OWNER                   the label of this installation
//   LAZARUS_KEY                     the label that makes a second run find what the first one made
//   LAZARUS_SERVER                  JSON: name, server_type, location, image, labels
//   TF_VAR_user_data                cloud-init user data
// Needs nothing but Node. A refusal ends with status 1 and one line of JSON on stdout: {"refused":{code, message}}.
import http from 'node:http'
import https from 'node:https'
import process, { argv, env } from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'

const TIMEOUT = 30_000
const { HCLOUD_ENDPOINT: endpoint, HCLOUD_TOKEN: token, LAZARUS_OWNER: owner, LAZARUS_KEY: key } = env
const { LAZARUS_SERVER: wanted, TF_VAR_user_data: userData } = env

class Refused extends Error {
  constructor(code, message, retryAfter) {
    super(message)
    Object.assign(this, { code, retryAfter })
  }
}

/** One request; resolves to the parsed body, or null when the thing does not exist. */
function call(method, path, body) {
  const url = new URL(endpoint + path)
  const text = body && JSON.stringify(body)
  const headers = { authorization: `Bearer ${token}`, ...(text && { 'content-type': 'application/json' }) }
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? https.request : http.request
    const request = send(url, { method, headers, timeout: TIMEOUT }, response => {
      const parts = []
      response.on('data', part => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        try {
          resolve(read(method, response, Buffer.concat(parts).toString()))
        } catch (error) {
          reject(error)
        }
      })
    })
    request.on('timeout', () => request.destroy(new Refused('timeout', `no answer within ${TIMEOUT} ms`)))
    request.on('error', reject)
    request.end(text)
  })
}

function read(method, { statusCode, headers }, text) {
  if (statusCode < 300) return text ? JSON.parse(text) : {}
  const error = parsed(text)?.error
  if (statusCode === 404 && method !== 'POST') return null
  const retryAfter = Number(headers['retry-after']) * 1000 || undefined
  const fields = error?.details?.fields?.flatMap(({ messages }) => messages ?? []) ?? []
  const message = [error?.message ?? `status ${statusCode}`, ...fields].join(': ')
  throw new Refused(error?.code ?? `http_${statusCode}`, message, retryAfter)
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a proxy's page, not the API's JSON: the status says enough
  }
}

async function find() {
  const selector = encodeURIComponent(`managed-by=${owner},lazarus-key=${key}`)
  return (await call('GET', `/servers?label_selector=${selector}`))?.servers[0]
}

/** Waits until the provider is done; resolves to its error, if it has one. */
async function outcome(action) {
  for (let pause = 100; action?.status === 'running'; pause = Math.min(pause * 2, 1000)) {
    await wait(pause)
    action = (await call('GET', `/actions/${action.id}`))?.action
  }
  return action?.status === 'error' ? new Refused(action.error.code, action.error.message) : undefined
}

async function create() {
  const found = await find()
  if (found) return console.log(`server ${found.id} exists`)
  const body = { ...JSON.parse(wanted), user_data: userData }
  const { server, action } = await call('POST', '/servers', body)
  console.log(`server ${server.id} ordered`)
  const error = await outcome(action)
  if (!error) return
  await call('DELETE', `/servers/${server.id}`) // it never came up: leave nothing behind
  throw error
}

async function remove() {
  const found = await find()
  if (!found) return console.log('no such server')
  const answer = await call('DELETE', `/servers/${found.id}`)
  const error = await outcome(answer?.action)
  if (error) throw error
}

try {
  await { create, delete: remove }[argv[2]]()
} catch (error) {
  const { code = 'unexpected', message, retryAfter } = error
  console.log(JSON.stringify({ refused: { code, message: message || code, retryAfter } }))
  process.exitCode = 1
}
