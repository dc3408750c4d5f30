/**
 * A keepalived file of a FULLNAT dialect as stock keepalived can read it, for `keepalived -t`: what only the dialect
 * knows is left out, FNAT becomes NAT. The structure, which is where mistakes are made, stays.
 */
export function lower(text: string): string {
  return withoutLocalAddresses(text.split('\n'))
    .filter(
      line =>
        !/^\s*(syn_proxy|laddr_group_name\s.*|vip_bind_dev\s.*|establish_timeout\s.*|proxy_protocol\s.*)$/.test(
          line,
        ),
    )
    .map(line =>
      line.replace(/^(\s*)lb_kind FNAT$/, '$1lb_kind NAT').replace(/^(\s*)nb_get_retry /, '$1retry '),
    )
    .join('\n')
}

function withoutLocalAddresses(lines: readonly string[]): string[] {
  let inside = false
  return lines.filter(line => {
    if (line.startsWith('local_address_group ')) inside = true
    const drop = inside
    if (line === '}') inside = false
    return !drop
  })
}
