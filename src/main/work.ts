import { milliseconds } from '../core/duration.js'
import { createBeatConsumer } from '../queue/heartbeats.js'
import { startSchedules } from '../queue/schedules.js'
import { startWorker } from '../queue/worker.js'
import { schedules } from '../schedules/index.js'
import { recordBeats } from '../store/nodes.js'
import type { ControlPlane } from './control-plane.js'
import { startNotifier } from './notifier.js'

/** Works on jobs, beats, schedules and notifications until closed. */
export async function startWork(plane: ControlPlane): Promise<{ close(): Promise<void> }> {
  const { db, registry, ports, redisUrl, engine, settings } = plane
  const log = { info: (line: string) => plane.log.info(line), warn: (line: string) => plane.log.warn(line) }
  const recovery = milliseconds(settings.LAZARUS_RECOVERY)
  const tellFailed = (run: string) =>
    ports.notices
      .tell({
        once: `run-failed:${run}`,
        kind: 'run-failed',
        subject: run,
        text: `run ${run} failed: lazarus runs show ${run}`,
      })
      .catch(error => log.warn(`not noted that run ${run} failed: ${error.message}`))
  const reconcileEvery = Math.min(recovery, 5_000)
  const worker = await startWorker({
    db,
    registry,
    ports,
    redisUrl,
    recovery,
    reconcileEvery,
    log,
    onRunFailed: tellFailed,
  })
  const beats = createBeatConsumer({
    redisUrl,
    record: batch => recordBeats(db, batch),
    onError: error => log.warn(`beats: ${error.message}`),
  })
  const clockwork = startSchedules({ schedules, ports, engine, redisUrl, refreshEvery: 30_000, log })
  const notifier = startNotifier({
    db,
    url: settings.LAZARUS_NOTIFY_URL,
    clock: ports.clock,
    every: 1_000,
    log,
  })
  return {
    async close() {
      await clockwork.close()
      await worker.close()
      await beats.close()
      await notifier.close()
    },
  }
}
