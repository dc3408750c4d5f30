import { EDGE_ROOT } from '../render/compose.js'

/** A command for a machine: argv, never shell text. */
export type Argv = readonly string[]

// Debian 12 has no Compose plugin, only the program of that name; both understand everything we say to them.
const EITHER_COMPOSE =
  'if docker compose version >/dev/null 2>&1; then exec docker compose "$@"; fi; exec docker-compose "$@"'

/** Docker Compose with these arguments, as the plugin or as the program, whichever the machine has. */
export const compose = (...words: string[]): Argv => ['sh', '-euc', EITHER_COMPOSE, 'compose', ...words]

const ofEdge = (...words: string[]): Argv =>
  compose('-p', 'lazarus', '-f', `${EDGE_ROOT}/docker-compose.yml`, ...words)

/** Starts the edge, or brings it to what its compose file says; a running edge that matches stays as it is. */
export const startEdge = (): Argv => ofEdge('up', '-d', '--remove-orphans')

/** Ends the edge and removes its container; none is fine. */
export const stopEdge = (): Argv => ofEdge('down', '--remove-orphans')

/** Removes every file of ours from a machine; none is fine. */
export const removeFiles = (): Argv => ['rm', '-rf', '--', EDGE_ROOT]

/** Ends every service and starts it anew, with the files of now. */
export const restartEdge = (): Argv => ofEdge('restart')

/** Makes nginx take up changed files without dropping a connection. */
export const reloadEdge = (): Argv => ofEdge('kill', '-s', 'HUP', 'edge')
