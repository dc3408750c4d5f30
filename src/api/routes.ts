import { auditRoutes } from './audit.js'
import type { AnyRoute } from './route.js'
import { runRoutes } from './runs.js'
import { tokenRoutes } from './tokens.js'

/** Every operation below `/api/v1` for people and programs, in the order of the documentation. */
export const apiRoutes: readonly AnyRoute[] = [...runRoutes, ...tokenRoutes, ...auditRoutes]
