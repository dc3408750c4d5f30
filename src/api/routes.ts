import { auditRoutes } from './audit.js'
import { catalogRoutes } from './catalog.js'
import { denialRoutes } from './denials.js'
import { lvsRoutes } from './lvs.js'
import { lvsBalancerRoutes } from './lvs-balancers.js'
import { lvsDrainRoutes } from './lvs-drains.js'
import { lvsHistoryRoutes } from './lvs-history.js'
import { lvsImportRoutes } from './lvs-import.js'
import { lvsMemberRoutes } from './lvs-members.js'
import { nginxRoutes } from './nginx.js'
import { nginxDomainRoutes } from './nginx-domains.js'
import { nginxUpstreamRoutes } from './nginx-upstreams.js'
import { nodeRoutes } from './nodes.js'
import { orphanRoutes } from './orphans.js'
import { planRoutes } from './plans.js'
import { poolRoutes } from './pools.js'
import type { AnyRoute } from './route.js'
import { runRoutes } from './runs.js'
import { scalingRoutes } from './scaling.js'
import { serverRoutes } from './servers.js'
import { serviceRoutes } from './services.js'
import { snapshotRoutes } from './snapshots.js'
import { statRoutes } from './stats.js'
import { tokenRoutes } from './tokens.js'
import { usageRoutes } from './usage.js'
import { userActionRoutes } from './user-actions.js'
import { userRoutes } from './users.js'
import { userBulkRoutes } from './users-bulk.js'

/** Every operation below `/api/v1` for people and programs, in the order of the documentation. */
export const apiRoutes: readonly AnyRoute[] = [
  ...poolRoutes,
  ...scalingRoutes,
  ...nodeRoutes,
  ...runRoutes,
  ...userRoutes,
  // Before what is done to one user, of whom "bulk" could be the id.
  ...userBulkRoutes,
  ...userActionRoutes,
  ...planRoutes,
  ...serviceRoutes,
  ...snapshotRoutes,
  ...serverRoutes,
  // Before what is done to one cluster: import and export are no names.
  ...lvsImportRoutes,
  ...lvsRoutes,
  ...lvsMemberRoutes,
  ...lvsHistoryRoutes,
  ...lvsBalancerRoutes,
  ...lvsDrainRoutes,
  ...nginxRoutes,
  ...nginxUpstreamRoutes,
  ...nginxDomainRoutes,
  ...usageRoutes,
  ...statRoutes,
  ...denialRoutes,
  ...tokenRoutes,
  ...orphanRoutes,
  ...catalogRoutes,
  ...auditRoutes,
]
