import { z } from 'zod'

/** What a token may do. Agents have keys of their own, which open nothing here. */
export const SCOPES = {
  'fleet:read': 'read pools, nodes, runs, users, plans, services and orphans',
  'fleet:write':
    'create, scale and remove pools and nodes; manage users, plans and services, read their links',
  'lvs:read': 'read load balancer clusters and the nginx hosts behind them',
  'lvs:write': 'change load balancer clusters and the nginx hosts behind them, push to them and drain them',
  'runs:write': 'retry and cancel runs',
  'tokens:admin': 'create and revoke tokens, read the audit',
  ops: 'use Bull Board',
} as const

export type Scope = keyof typeof SCOPES
export const ALL_SCOPES = Object.keys(SCOPES) as Scope[]
export const scopeSchema = z.enum(ALL_SCOPES)
