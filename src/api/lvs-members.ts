import { z } from 'zod'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import type { Label } from '../render/lvs/diff.js'
import {
  addBalancers,
  addHosts,
  addPorts,
  addVips,
  changePort,
  changeWstype,
  removeBalancers,
  removeHosts,
  removePorts,
  removeVips,
} from '../render/lvs/edits.js'
import { applyEdit, type Edit, type Edited, existing, previewEdit } from './lvs-edit.js'
import { WATCH } from './lvs-push.js'
import * as schemas from './lvs-schemas.js'
import { succeeded } from './origin.js'
import { given } from './paging.js'
import { type Answer, type AnyRoute, defineRoute, dryRun } from './route.js'

/** An edit goes to the balancers as its cluster says, unless it is told to stay here. */
export const wayOf =
  ({ cfg_push, confirm }: { cfg_push: boolean; confirm: Label }): Edit['way'] =>
  after =>
    cfg_push ? { policy: after.policy ?? 'manual', confirm, force: false, watch: WATCH } : null

/** What was changed, where to find it, and the run that brings it to the balancers. */
export const changed = (done: string, { document, pushed }: Edited): Answer =>
  succeeded(pushed?.run === null ? `${done}; ${pushed.left}` : done, {
    ...(pushed && { run: pushed.run }),
    version: document.version,
  })

type Pushing = { cfg_push: boolean; confirm: Label }

/** A change of something in a cluster: `doing` is "vip add", `done` "vip has been added successfully". */
interface Member<B extends z.ZodObject> {
  method: 'post' | 'delete' | 'patch'
  path: string
  doing: string
  done: string
  summary: string
  body: B
  apply: (cluster: Cluster, body: z.output<B>) => Cluster
  /** What it is about, for the list of revisions. */
  about: (body: z.output<B>) => readonly string[]
}

const member = <B extends z.ZodObject>({ apply, about, ...one }: Member<B>): AnyRoute =>
  defineRoute({
    ...{ method: one.method, path: `/lvs/{name}/${one.path}`, tag: 'lvs', summary: one.summary },
    ...{ scope: 'lvs:write', params: schemas.ofCluster, query: dryRun, body: one.body },
    ...{ action: `lvs.${one.doing.replace(' ', '.')}`, origin: { doing: one.doing } },
    answer: {
      ...{ status: 200, text: 'done' },
      schema: z.union([schemas.editAnswer, schemas.editPreview]),
    },
    handle: async call => {
      const edit: Edit = {
        cluster: call.params.name,
        next: existing(call.params.name, cluster => apply(cluster, call.body)),
        note: noteOf(one.doing, about(call.body)),
        way: wayOf(call.body as Pushing),
      }
      if (call.query.dryRun) return { status: 200, body: await previewEdit(call.deps, edit) }
      return changed(one.done, await applyEdit(call, edit))
    },
  })

/** As many names as a line holds. */
const noteOf = (doing: string, names: readonly string[]): string => {
  const shown = names.slice(0, 5).join(', ')
  return `${doing}: ${shown}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
}

/** What stands in a cluster, in the form of the original. */
export const lvsMemberRoutes = [
  member({
    ...{ method: 'post', path: 'vips', doing: 'vip add', done: 'vip has been added successfully' },
    summary: 'Adds VIPs with their hosts; one without ports has 80 and 443.',
    body: schemas.addedVips,
    apply: (cluster, { vip2ws }) => addVips(cluster, vip2ws),
    about: ({ vip2ws }) => vip2ws.map(each => each.vip),
  }),
  member({
    ...{ method: 'delete', path: 'vips', doing: 'vip delete', done: 'vip has been deleted successfully' },
    summary: 'Removes VIPs.',
    body: schemas.removedVips,
    apply: (cluster, { vips }) => removeVips(cluster, vips),
    about: ({ vips }) => vips,
  }),
  member({
    ...{ method: 'post', path: 'lbs', doing: 'lb add', done: 'lb has been added successfully' },
    summary: 'Adds balancers.',
    body: schemas.addedLbs,
    apply: (cluster, { lbinfos }) => addBalancers(cluster, lbinfos),
    about: ({ lbinfos }) => lbinfos.map(each => each.hostname),
  }),
  member({
    ...{ method: 'delete', path: 'lbs', doing: 'lb delete', done: 'lb has been deleted successfully' },
    summary: 'Takes balancers out of the cluster; they go on as they are until somebody stops them.',
    body: schemas.removedLbs,
    apply: (cluster, { lbs }) => removeBalancers(cluster, lbs),
    about: ({ lbs }) => lbs,
  }),
  member({
    ...{ method: 'post', path: 'wss', doing: 'ws add', done: 'ws has been added successfully' },
    summary: 'Puts nginx hosts behind VIPs.',
    body: schemas.vipHostsBody,
    apply: (cluster, { vip2ws }) => addHosts(cluster, vip2ws),
    about: ({ vip2ws }) => vip2ws.flatMap(each => each.wss),
  }),
  member({
    ...{ method: 'delete', path: 'wss', doing: 'ws delete', done: 'ws has been deleted successfully' },
    summary: 'Takes nginx hosts from behind VIPs; the last one of a VIP stays.',
    body: schemas.vipHostsBody,
    apply: (cluster, { vip2ws }) => removeHosts(cluster, vip2ws),
    about: ({ vip2ws }) => vip2ws.flatMap(each => each.wss),
  }),
  member({
    ...{ method: 'post', path: 'ports', doing: 'port add', done: 'port has been added successfully' },
    summary: 'Adds ports to a VIP.',
    body: schemas.addedPorts,
    apply: (cluster, { vip, ports }) => addPorts(cluster, vip, ports),
    about: ({ vip, ports }) => ports.map(each => `${vip}:${each.sport}`),
  }),
  member({
    ...{ method: 'delete', path: 'ports', doing: 'port delete', done: 'port has been deleted successfully' },
    summary: 'Removes ports of a VIP.',
    body: schemas.removedPorts,
    apply: (cluster, { vip, sports }) => removePorts(cluster, vip, sports),
    about: ({ vip, sports }) => sports.map(sport => `${vip}:${sport}`),
  }),
  member({
    ...{ method: 'patch', path: 'ports', doing: 'port modify', done: 'port has been modified successfully' },
    summary: 'Changes a port of a VIP; what is not named stays.',
    body: schemas.changedPort,
    apply: (cluster, { vip, sport, port }) => changePort(cluster, vip, sport, given(port)),
    about: ({ vip, sport }) => [`${vip}:${sport}`],
  }),
  member({
    ...{
      method: 'patch',
      path: 'wstype',
      doing: 'wstype modify',
      done: 'wstype has been modified successfully',
    },
    summary: 'Changes the business that a VIP serves.',
    body: schemas.changedWstype,
    apply: (cluster, { vip, wstype }) => changeWstype(cluster, vip, wstype),
    about: ({ vip, wstype }) => [`${vip} ${wstype}`],
  }),
]
