import { describe, expect, it } from 'vitest'
import { failureOf, progressOf, readEvent, type TerraformEvent } from './terraform-events.js'

const event = (type: string, more: Partial<TerraformEvent> = {}): TerraformEvent => ({
  type,
  '@message': 'terraform_data.machine: Creating...',
  ...more,
})
const error = (summary: string, detail = '') =>
  event('diagnostic', { diagnostic: { severity: 'error', summary, detail } })

describe('terraform events', () => {
  it('reads lines of JSON and passes over everything else', () => {
    expect(readEvent('{"type":"version","@message":"Terraform 1.11.4","terraform":"1.11.4"}')).toMatchObject({
      type: 'version',
    })
    expect(readEvent('Warning: Unable to open CLI configuration file')).toBeUndefined()
    expect(readEvent('{"type":')).toBeUndefined()
    expect(readEvent('[]')).toBeUndefined()
  })

  it('tells people how far it is, without the address of the resource', () => {
    expect(progressOf(event('apply_start'))).toEqual({ part: 0.3, text: 'Creating...' })
    expect(progressOf(event('provision_progress', { hook: { output: 'server 7 ordered' } }))).toEqual({
      part: 0.5,
      text: 'server 7 ordered',
    })
    expect(progressOf(event('outputs'))).toBeUndefined()
    expect(
      progressOf(event('provision_progress', { hook: { output: 'Executing: ["node"]' } })),
    ).toBeUndefined()
  })

  it("finds the provider's code in what the provisioner said", () => {
    const output = '{"refused":{"code":"rate_limit_exceeded","message":"slow down","retryAfter":2000}}'
    const events = [
      event('provision_progress', { hook: { output } }),
      error('local-exec provisioner error', 'Error running command'),
    ]
    expect(failureOf(events, '')).toMatchObject({
      code: 'rate_limit_exceeded',
      retryable: true,
      retryAfter: 2000,
    })
  })

  it("finds the provider's code in what the plugin said", () => {
    const sold = failureOf([error('error during placement (resource_unavailable, 3b1f-77)')], '')
    expect(sold).toMatchObject({
      code: 'resource_unavailable',
      retryable: true,
      message: 'hcloud: error during placement (resource_unavailable)',
    })
    expect(failureOf([error('server name is already used (uniqueness_error)')], '')).toMatchObject({
      code: 'uniqueness_error',
      retryable: false,
    })
    expect(failureOf([error('server type cx99 not found')], '')).toMatchObject({
      code: 'not_found',
      retryable: false,
    })
  })

  it('knows a held lock, and repeats what it does not know', () => {
    expect(
      failureOf([error('Error acquiring the state lock', 'HTTP remote state already locked')], ''),
    ).toMatchObject({ code: 'state-locked', retryable: true })
    expect(failureOf([error('Plugin did not respond', 'EOF')], '')).toMatchObject({
      code: 'terraform-failed',
      retryable: true,
    })
    expect(failureOf([], 'panic: runtime error').message).toContain('panic')
    expect(failureOf([], '').message).toContain('without saying why')
  })

  it('does not take a warning for the reason', () => {
    const warning = event('diagnostic', {
      diagnostic: { severity: 'warning', summary: 'old (uniqueness_error)', detail: '' },
    })
    expect(failureOf([warning, error('real')], '').message).toBe('real')
  })
})
