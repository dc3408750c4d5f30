import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Beat } from '../store/nodes.js'
import type { AgentDirectory } from './agent-directory.js'
import { beatSchema } from './agent-schemas.js'
import type { BeatCounts } from './metrics.js'
import { fieldErrors, invalid } from './mount.js'
import { Problem } from './problem.js'

/** No honest beat is longer, in bytes. */
const MAX_BEAT = 4_096

/** Where agents send their beats. */
export const HEARTBEAT_PATH = '/api/v1/agent/heartbeat'

/**
 * Answers a beat once it is in the queue. This is the one hot path of the API: it needs no Express, reads its body
 * itself, answers from memory and skips the logging and the headers that other routes have. Throws `Problem`.
 */
export function createHeartbeat(options: {
  agents: AgentDirectory
  /** The id of the access list's log. */
  accessList: string
  /** The node behind a request's key; throws 401. */
  authenticate: (req: IncomingMessage) => Promise<string>
  key: (req: IncomingMessage) => string | undefined
  add: (beat: Beat) => Promise<void>
  counts: BeatCounts
}): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const { agents, accessList, counts } = options
  return async (req, res) => {
    const text = await readText(req)
    const key = options.key(req)
    const node = (key && agents.known(key)) || (await options.authenticate(req))
    const beat = readBeat(text, node)
    try {
      await options.add(beat)
    } catch (cause) {
      counts.refused += 1
      throw new Problem(
        503,
        'queue-unavailable',
        'The beat could not be queued: send the next one as usual.',
        { cause },
      )
    }
    counts.accepted += 1
    const access = { list: accessList, seq: agents.accessHead() }
    const answer = JSON.stringify({ configVersion: agents.desiredVersion(node), access })
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    res.end(answer)
  }
}

function readBeat(text: string, node: string): Beat {
  const parsed = beatSchema.safeParse(parseJson(text))
  if (!parsed.success) throw invalid(fieldErrors('body', parsed.error))
  if (parsed.data.node !== node)
    throw new Problem(403, 'wrong-node', 'This key belongs to another node: send your own name as "node".')
  return { ...parsed.data, at: Date.now() }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem(400, 'malformed-json', 'The body is not valid JSON.', { cause })
  }
}

function readText(req: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    req.setEncoding('utf8')
    req.on('data', (chunk: string) => {
      text += chunk
      if (text.length <= MAX_BEAT) return
      req.pause()
      const headers = { connection: 'close' }
      reject(new Problem(413, 'body-too-large', 'A beat has at most 4 KB.', { headers }))
    })
    req.on('end', () => resolve(text))
    req.on('error', reject)
  })
}
