import type { RequestHandler } from 'express'
import helmet from 'helmet'

/** Headers that keep browsers from being used against us: no frame, no script and no style from elsewhere. */
export const securityHeaders = (https: boolean): RequestHandler =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        // Bull Board and the pages of ours carry their styles inline.
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        objectSrc: ["'none'"],
        baseUri: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    // "no-referrer" would make browsers send "Origin: null" with our own forms.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: https,
  })
