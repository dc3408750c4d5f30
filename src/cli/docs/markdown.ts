import { z } from 'zod'
import type { AnyJob } from '../../core/define-job.js'
import type { AnySchedule } from '../../core/define-schedule.js'
import type { AnyWorkflow, Part } from '../../core/define-workflow.js'

/** Text inside a Markdown table. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** A Markdown table. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** The fields of a schema as one line each: name, type, and what it is for. */
function fields(schema: z.ZodType, io: 'input' | 'output'): string {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  const names = Object.entries(properties)
  if (names.length === 0) return 'none'
  return names
    .map(([name, property]) => `\`${name}\`${required.includes(name) ? '' : '?'}: ${typeName(property)}`)
    .join(', ')
}

type JsonSchema = z.core.JSONSchema._JSONSchema

function typeName(schema: JsonSchema): string {
  if (typeof schema === 'boolean') return 'any'
  if (schema.enum) return schema.enum.map(String).join(' or ')
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeName))].join(' or ')
  if (schema.type === 'array') return `list of ${typeName((schema.items as JsonSchema) ?? true)}`
  return String(schema.type ?? 'any')
}

/** The list of jobs. */
export function jobsPage(jobs: readonly AnyJob[]): string {
  const overview = jobs.map(job => [`[\`${job.name}\`](#${anchor(job.name)})`, job.summary, job.queue])
  return [
    '# Jobs',
    '',
    markdownTable(['job', 'what it does', 'queue'], overview),
    '',
    ...jobs.map(jobSection),
  ].join('\n')
}

const anchor = (name: string): string => name.replaceAll('.', '')

function jobSection(job: AnyJob): string {
  const { attempts, first, max, timeout } = job.retry
  return [
    `## ${job.name}`,
    '',
    job.summary,
    '',
    `- input: ${fields(job.input, 'input')}`,
    `- output: ${fields(job.output, 'output')}`,
    `- uses: ${job.uses.length > 0 ? job.uses.join(', ') : 'nothing'}`,
    `- tries: ${attempts}, first again after ${first}, at most ${max} apart; each at most ${timeout}`,
    `- undo: ${job.undo === 'nothing-to-undo' ? 'nothing to undo' : 'yes'}`,
    ...(job.aliases?.length ? [`- former names: ${job.aliases.join(', ')}`] : []),
    '',
  ].join('\n')
}

/** The workflows, each with its graph, and the schedules. */
export function workflowsPage(workflows: readonly AnyWorkflow[], schedules: readonly AnySchedule[]): string {
  const rows = schedules.map(({ name, summary, every }) => [`\`${name}\``, every, summary])
  return [
    '# Workflows',
    '',
    ...workflows.map(workflowSection),
    '# Schedules',
    '',
    markdownTable(['schedule', 'every', 'what it does'], rows),
    '',
  ].join('\n')
}

function workflowSection(workflow: AnyWorkflow): string {
  return [
    `## ${workflow.name}`,
    '',
    workflow.summary,
    '',
    `Input: ${fields(workflow.input, 'input')}.`,
    '',
    '```mermaid',
    'flowchart LR',
    ...workflow.parts.flatMap(part => partLines(part, workflow.parts)),
    '```',
    '',
  ].join('\n')
}

function partLines(part: Part, parts: readonly Part[]): string[] {
  const label = part.kind === 'job' ? part.job.name : part.workflow.name
  const shape = { job: `["${label}"]`, workflow: `[["${label}"]]`, each: `[["${label}, for each"]]` }[
    part.kind
  ]
  const arrows = direct(part, parts).map(before => `  ${nodeId(before)} --> ${nodeId(part.id)}`)
  return [`  ${nodeId(part.id)}${shape}`, ...arrows]
}

/** What a step waits for, without what the others it waits for wait for anyway. */
function direct(part: Part, parts: readonly Part[]): string[] {
  const before = (id: string): string[] => {
    const after = parts.find(other => other.id === id)?.after ?? []
    return [...after, ...after.flatMap(before)]
  }
  const implied = new Set(part.after.flatMap(before))
  return part.after.filter(id => !implied.has(id))
}

/** Words such as `end` mean something to Mermaid, so every id gets a prefix. */
const nodeId = (id: string): string => `s_${id.replace(/\W/g, '_')}`
