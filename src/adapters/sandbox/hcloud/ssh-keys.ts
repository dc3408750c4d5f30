import { Router } from 'express'
import { z } from 'zod'
import { pathParam, queryText } from '../http.js'
import type { SshKeyRow, Store } from '../state.js'
import { notFound, parseBody, uniqueness } from './errors.js'
import { filtered, page } from './paging.js'
import { labelsSchema } from './selector.js'
import { fingerprint, sshKeyJson } from './shapes.js'

const createSchema = z.object({
  name: z.string().min(1).max(128),
  public_key: z
    .string()
    .trim()
    .regex(/^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\r\n]*)?$/, 'must be an OpenSSH public key'),
  labels: labelsSchema.default({}),
})
const changeSchema = z.object({ name: z.string().min(1).optional(), labels: labelsSchema.optional() })

/** `/ssh_keys` of the API. */
export function sshKeyRoutes(store: Store): Router {
  const router = Router()
  const get = (id: string): SshKeyRow => {
    const key = store.state.sshKeys.find(row => String(row.id) === id)
    if (!key) throw notFound('ssh_key', id)
    return key
  }
  router.get('/', (request, response) => {
    const print = queryText(request, 'fingerprint')
    const rows = filtered(request, store.state.sshKeys)
    const wanted = rows.filter(key => print === undefined || fingerprint(key.publicKey) === print)
    response.json(page(request, 'ssh_keys', wanted.map(sshKeyJson)))
  })
  router.post('/', (request, response) => {
    const { public_key: publicKey, ...rest } = parseBody(createSchema, request.body)
    const prints = store.state.sshKeys.map(key => fingerprint(key.publicKey))
    if (prints.includes(fingerprint(publicKey))) {
      throw uniqueness('SSH key with the same fingerprint already exists', 'public_key')
    }
    if (store.state.sshKeys.some(key => key.name === rest.name)) {
      throw uniqueness('SSH key name is already used', 'name')
    }
    const key = { ...rest, publicKey, id: store.nextId(), created: new Date().toISOString() }
    store.state.sshKeys.push(key)
    store.save()
    response.status(201).json({ ssh_key: sshKeyJson(key) })
  })
  router.get('/:id', (request, response) => {
    response.json({ ssh_key: sshKeyJson(get(pathParam(request, 'id'))) })
  })
  router.put('/:id', (request, response) => {
    const key = get(pathParam(request, 'id'))
    Object.assign(key, parseBody(changeSchema, request.body))
    store.save()
    response.json({ ssh_key: sshKeyJson(key) })
  })
  router.delete('/:id', (request, response) => {
    const key = get(pathParam(request, 'id'))
    store.state.sshKeys = store.state.sshKeys.filter(row => row !== key)
    store.save()
    response.status(204).end()
  })
  return router
}
