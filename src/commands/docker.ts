import type { Argv } from './compose.js'

const QUIET = ['env', 'DEBIAN_FRONTEND=noninteractive', 'NEEDRESTART_MODE=a'] as const
// The first boot of a machine often runs its own apt: wait for the lock instead of failing.
const APT = [...QUIET, 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'] as const
const KEEP_CONFIG = [
  '-o',
  'Dpkg::Options::=--force-confdef',
  '-o',
  'Dpkg::Options::=--force-confold',
] as const

/** Exit 0: the Docker daemon answers. The only proof that an installation worked; ask before and after it. */
export const dockerAnswers = (): Argv => ['docker', 'version']

/** Exit 0: Compose is there, as plugin or as program. */
export const composeAnswers = (): Argv => [
  'sh',
  '-euc',
  'docker compose version || exec docker-compose version',
]

/** Brings apt's lists up to date. */
export const updatePackages = (): Argv => [...APT, 'update']

/** The container engine, from the machine's own distribution. */
export const DOCKER_PACKAGES = ['docker.io'] as const

/** Packages that hold Compose where the engine's package does not; tried in this order, one is enough. */
export const COMPOSE_PACKAGES = ['docker-compose-v2', 'docker-compose'] as const

/** Installs packages without a question; those already there are fine. `anew`: their files are laid out once more. */
export const installPackages = (packages: readonly string[], { anew = false } = {}): Argv => [
  ...APT,
  ...KEEP_CONFIG,
  ...(anew ? ['--reinstall'] : []),
  '-y',
  'install',
  '--',
  ...packages,
]

/** Puts right what a broken-off installation left: configures the half configured, then fills in what is missing. */
export const repairPackages = (): readonly Argv[] => [
  [...QUIET, 'dpkg', '--force-confdef', '--force-confold', '--configure', '-a'],
  [...APT, ...KEEP_CONFIG, '-y', '--fix-broken', 'install'],
]
