import encodeQR from 'qr'

/** Light modules around the code: scanners want four. */
const BORDER = 4

/** A QR code of `text` as an SVG image, black on white whatever it stands on. */
export function qrSvg(text: string): string {
  const rows = encodeQR(text, 'raw', { border: BORDER })
  const size = rows.length
  const runs = rows.flatMap((row, y) =>
    [
      ...row
        .map(dark => (dark ? '#' : ' '))
        .join('')
        .matchAll(/#+/g),
    ].map(({ 0: run, index }) => `M${index} ${y}h${run.length}v1h-${run.length}z`),
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${runs.join('')}"/></svg>`
}

/** A QR code of `text` in lines for a terminal with a dark ground. */
export const qrText = (text: string): string => encodeQR(text, 'ascii', { border: 2 }).trimEnd()
