import { expect, test } from 'vitest'
import {
  composeAnswers,
  DOCKER_PACKAGES,
  dockerAnswers,
  installPackages,
  repairPackages,
  updatePackages,
} from './docker.js'

const QUIET = ['env', 'DEBIAN_FRONTEND=noninteractive', 'NEEDRESTART_MODE=a']
const APT = [...QUIET, 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3']
const KEEP = ['-o', 'Dpkg::Options::=--force-confdef', '-o', 'Dpkg::Options::=--force-confold']

test('looks: the daemon itself, not only its program', () => {
  expect(dockerAnswers()).toEqual(['docker', 'version'])
  expect(composeAnswers()).toEqual(['sh', '-euc', 'docker compose version || exec docker-compose version'])
})

test('installs without a question', () => {
  expect(updatePackages()).toEqual([...APT, 'update'])
  expect(installPackages(DOCKER_PACKAGES)).toEqual([...APT, ...KEEP, '-y', 'install', '--', 'docker.io'])
})

test('a package name is never an option', () => {
  expect(installPackages(['-oAPT::x=y']).slice(-2)).toEqual(['--', '-oAPT::x=y'])
})

test('repairs: first what is half configured, then what is missing', () => {
  expect(repairPackages()).toEqual([
    [...QUIET, 'dpkg', '--force-confdef', '--force-confold', '--configure', '-a'],
    [...APT, ...KEEP, '-y', '--fix-broken', 'install'],
  ])
})
