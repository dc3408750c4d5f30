/** The fields of a node's place, value for value: references stay references. */
export const place = <N, P, Z>({ node, pool, zone }: { node: N; pool: P; zone: Z }) => ({ node, pool, zone })

/** The fields of a seat: a node's place and which of its machines is meant. */
export const seat = <N, P, Z, I>(of: { node: N; pool: P; zone: Z; incarnation: I }) => ({
  ...place(of),
  incarnation: of.incarnation,
})
