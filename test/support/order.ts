import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** It waits for balancers most of its time, and takes longer than any other file. */
const FIRST = /\/lvs\.e2e\.test\.ts$/

/**
 * Real balancers come first, so that the rest runs beside them. Spreads the end-to-end files evenly among the component files, so that those which wait and those which work run side
 * by side; unit tests are last and fill what is left. Within each kind vitest's own order stands: the longest first.
 */
export default class Order extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const of = (name: string) => sorted.filter(file => file.project.name === name)
    const spread = [...placed(of('e2e')), ...placed(of('component'))]
      .sort((a, b) => a.place - b.place)
      .map(({ file }) => file)
    const ordered = [...spread, ...sorted.filter(file => !spread.includes(file))]
    const isFirst = (file: TestSpecification) => FIRST.test(file.moduleId)
    return [...ordered.filter(isFirst), ...ordered.filter(file => !isFirst(file))]
  }
}

/** Each file with its place, from 0 to below 1. */
const placed = (files: TestSpecification[]) =>
  files.map((file, index) => ({ file, place: index / files.length }))
