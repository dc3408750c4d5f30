import type { z } from 'zod'
import type { AnyJob, InputOf, OutputOf } from './define-job.js'

declare const value: unique symbol

/** A hole in a plan: "what that step will put out". As JSON it is `{"$from":"buy.ipv4"}`. */
export type Ref<T> = { readonly [value]: T } & (T extends readonly unknown[]
  ? unknown
  : T extends object
    ? { readonly [K in keyof T]-?: Ref<T[K]> }
    : unknown)

/** An input in which any field may be a hole. */
export type Plan<T> = { [K in keyof T]: T[K] | Ref<T[K]> }

type Refs<I, Steps> = { input: Ref<I> } & { [K in keyof Steps]: Ref<Steps[K]> }

/** One entry of a workflow: a job, a workflow inside, or a workflow for each element of a list in the input. */
export type Part = { readonly id: string; readonly after: readonly string[] } & (
  | { readonly kind: 'job'; readonly job: AnyJob; readonly input: unknown }
  | { readonly kind: 'workflow'; readonly workflow: AnyWorkflow; readonly input: unknown }
  | {
      readonly kind: 'each'
      readonly workflow: AnyWorkflow
      readonly list: string
      readonly id: string
      readonly name: (element: never) => string
      /** One element after the other, in the order of the list. */
      readonly inTurn: boolean
    }
)

/** A named chain of steps. The dependency graph follows from the references in the inputs, plus `after`. */
export interface Workflow<N extends string, I extends z.ZodObject> {
  readonly name: N
  readonly summary: string
  readonly input: I
  readonly parts: readonly Part[]
}
// biome-ignore lint/suspicious/noExplicitAny: a list of unlike workflows has no narrower type
export type AnyWorkflow = Workflow<string, any>

const FROM = Symbol('from')
const makeRef = (path: string): unknown =>
  new Proxy(
    { [FROM]: path, toJSON: () => ({ $from: path }) },
    {
      get: (target, key) =>
        typeof key === 'symbol' || key === 'toJSON' ? Reflect.get(target, key) : makeRef(`${path}.${key}`),
    },
  )
const anyRefs = new Proxy({}, { get: (_, key) => makeRef(String(key)) })

/** The path a hole points at (`buy.ipv4`), or undefined for a plain value. */
export const refPath = (candidate: unknown): string | undefined =>
  typeof candidate === 'object' && candidate !== null && FROM in candidate
    ? String(candidate[FROM as keyof typeof candidate])
    : undefined

/** The steps that the fields of `input` refer to. */
function mentioned(input: unknown): string[] {
  const paths = Object.values(input as object).map(field => refPath(field)?.split('.')[0])
  return paths.filter((id): id is string => id !== undefined && id !== 'input')
}

/** Collects the steps of a workflow; every method returns a new builder that knows one step more. */
class Builder<N extends string, I extends z.ZodObject, Steps> {
  constructor(
    private readonly head: { name: N; summary: string; input: I },
    private readonly parts: readonly Part[] = [],
  ) {}

  /** Adds a job. Its input may refer to the workflow's input and to the outputs of earlier steps. */
  step<const Id extends string, J extends AnyJob>(
    id: Id extends keyof Steps | 'input' ? never : Id,
    job: J,
    plan: (refs: Refs<z.output<I>, Steps>) => Plan<InputOf<J>>,
    options: { after?: readonly (keyof Steps & string)[] } = {},
  ): Builder<N, I, Steps & Record<Id, OutputOf<J>>> {
    const input = plan(anyRefs as Refs<z.output<I>, Steps>)
    return this.with({ kind: 'job', id, job, input, after: this.order(input, options.after) })
  }

  /** Adds another workflow as one step; later steps may come `after` it. */
  run<const Id extends string, W extends AnyWorkflow>(
    id: Id extends keyof Steps | 'input' ? never : Id,
    workflow: W,
    plan: (refs: Refs<z.output<I>, Steps>) => Plan<InputOf<W>>,
    options: { after?: readonly (keyof Steps & string)[] } = {},
  ): Builder<N, I, Steps & Record<Id, Record<never, never>>> {
    const input = plan(anyRefs as Refs<z.output<I>, Steps>)
    return this.with({ kind: 'workflow', id, workflow, input, after: this.order(input, options.after) })
  }

  /**
   * Fans out: `workflow` once for each element of the input's field `list`, at once, or one after the other
   * (`inTurn`). The list is part of the input, so that names, count and price are known before anything is bought.
   */
  each<const Id extends string, W extends AnyWorkflow, const List extends keyof z.output<I> & string>(
    id: Id extends keyof Steps | 'input' ? never : Id,
    workflow: W,
    list: z.output<I>[List] extends readonly InputOf<W>[] ? List : never,
    name: (element: InputOf<W>) => string,
    { after = [], inTurn = false }: { after?: readonly (keyof Steps & string)[]; inTurn?: boolean } = {},
  ): Builder<N, I, Steps & Record<Id, Record<never, never>>> {
    return this.with({ kind: 'each', id, workflow, list, name, after, inTurn })
  }

  build(): Workflow<N, I> {
    return Object.freeze({ ...this.head, parts: this.parts })
  }

  private order(input: unknown, after: readonly string[] = []): string[] {
    return [...new Set([...after, ...mentioned(input)])]
  }

  private with<T>(part: Part): Builder<N, I, T> {
    return new Builder<N, I, T>(this.head, [...this.parts, part])
  }
}

/** Starts the declaration of a workflow: `.step(...)`, `.run(...)`, `.each(...)`, then `.build()`. */
export const defineWorkflow = <const N extends string, I extends z.ZodObject>(head: {
  name: N
  summary: string
  input: I
}) => new Builder<N, I, Record<never, never>>(head)
