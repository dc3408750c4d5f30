// The `lazarus` command with jobs that give up and try again soon, so that failures can be watched.
import type { AnyJob } from '../../src/core/define-job.js'
import { jobs } from '../../src/jobs/index.js'

const hurried = jobs.map((job): AnyJob => {
  const timeout = job.name === 'ssh.wait' ? '3s' : job.retry.timeout
  return {
    ...job,
    retry: { attempts: Math.min(job.retry.attempts, 4), first: '100ms', max: '300ms', timeout },
  }
})
;(jobs as AnyJob[]).splice(0, jobs.length, ...hurried)
await import('../../src/cli/main.js')
