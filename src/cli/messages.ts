/** Languages of what `demo` and `doctor` say. */
export type Language = 'en' | 'zh'

const DOCTOR = {
  en: {
    ready: 'Everything that is needed is here.',
    notReady: 'Something that is needed is missing: put right what is marked ✘, then run this again.',
    fix: 'to fix',
  },
  zh: {
    ready: '所需的一切都已就绪。',
    notReady: '缺少必需项：请处理带 ✘ 的条目后再运行一次。',
    fix: '解决办法',
  },
} as const

/** What `lazarus doctor` says around its findings. */
export const doctorMessages = (language: Language): Record<keyof (typeof DOCTOR)['en'], string> =>
  DOCTOR[language]
