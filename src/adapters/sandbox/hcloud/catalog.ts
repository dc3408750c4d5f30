/** What this cloud sells. Prices are euros a month and an hour, as texts, the way the real API gives them. */

const VAT = 1.19
const price = (net: number, digits: number) => ({
  net: net.toFixed(digits),
  gross: (net * VAT).toFixed(digits),
})

export interface Location {
  id: number
  name: string
  description: string
  country: string
  city: string
  latitude: number
  longitude: number
  network_zone: string
}

export const LOCATIONS: readonly Location[] = [
  {
    id: 1,
    name: 'fsn1',
    description: 'Falkenstein DC Park 1',
    country: 'DE',
    city: 'Falkenstein',
    latitude: 50.47612,
    longitude: 12.370071,
    network_zone: 'eu-central',
  },
  {
    id: 2,
    name: 'nbg1',
    description: 'Nuremberg DC Park 1',
    country: 'DE',
    city: 'Nuremberg',
    latitude: 49.452102,
    longitude: 11.076665,
    network_zone: 'eu-central',
  },
  {
    id: 3,
    name: 'hel1',
    description: 'Helsinki DC Park 1',
    country: 'FI',
    city: 'Helsinki',
    latitude: 60.169855,
    longitude: 24.938379,
    network_zone: 'eu-central',
  },
]

/** One type of server. `available: false`: every order for it is answered with `resource_unavailable`. */
interface TypeFacts {
  id: number
  name: string
  cores: number
  memory: number
  disk: number
  architecture: 'x86' | 'arm'
  cpu: 'shared' | 'dedicated'
  monthly: number
  available: boolean
}

const TYPES: readonly TypeFacts[] = [
  {
    id: 22,
    name: 'cpx11',
    cores: 2,
    memory: 2,
    disk: 40,
    architecture: 'x86',
    cpu: 'shared',
    monthly: 4.35,
    available: true,
  },
  {
    id: 23,
    name: 'cpx21',
    cores: 3,
    memory: 4,
    disk: 80,
    architecture: 'x86',
    cpu: 'shared',
    monthly: 7.05,
    available: true,
  },
  {
    id: 45,
    name: 'cax11',
    cores: 2,
    memory: 4,
    disk: 40,
    architecture: 'arm',
    cpu: 'shared',
    monthly: 3.79,
    available: false,
  },
  {
    id: 97,
    name: 'ccx13',
    cores: 2,
    memory: 8,
    disk: 80,
    architecture: 'x86',
    cpu: 'dedicated',
    monthly: 12.49,
    available: true,
  },
  {
    id: 104,
    name: 'cx22',
    cores: 2,
    memory: 4,
    disk: 40,
    architecture: 'x86',
    cpu: 'shared',
    monthly: 3.79,
    available: true,
  },
  {
    id: 105,
    name: 'cx32',
    cores: 4,
    memory: 8,
    disk: 80,
    architecture: 'x86',
    cpu: 'shared',
    monthly: 6.8,
    available: true,
  },
]

const typeJson = (type: TypeFacts) => ({
  id: type.id,
  name: type.name,
  description: type.name.toUpperCase(),
  category: type.cpu === 'shared' ? 'Shared vCPU' : 'General Purpose',
  cores: type.cores,
  memory: type.memory,
  disk: type.disk,
  storage_type: 'local',
  cpu_type: type.cpu,
  architecture: type.architecture,
  included_traffic: 0,
  deprecated: false,
  deprecation: null,
  prices: LOCATIONS.map(location => ({
    location: location.name,
    price_hourly: price(type.monthly / 624, 4),
    price_monthly: price(type.monthly, 4),
    included_traffic: 21_990_232_555_520,
    price_per_tb_traffic: price(1, 4),
  })),
  locations: LOCATIONS.map(({ id, name }) => ({
    id,
    name,
    recommended: type.available,
    available: type.available,
    deprecation: null,
  })),
})

/** Server types as the API shows them. */
export const SERVER_TYPES = TYPES.map(typeJson)
export type ServerType = (typeof SERVER_TYPES)[number]

/** Whether there is anything left of a type, apart from faults. */
export const inStock = (type: ServerType): boolean => type.locations.some(place => place.available)

const imageJson = (id: number, type: 'system' | 'app', name: string, description: string) => ({
  id,
  type,
  status: 'available',
  name,
  description,
  image_size: null,
  disk_size: 5,
  created: '2023-06-13T06:00:02+00:00',
  created_from: null,
  bound_to: null,
  os_flavor: 'debian',
  os_version: '12',
  rapid_deploy: true,
  protection: { delete: false },
  deprecated: null,
  deleted: null,
  labels: {},
  architecture: 'x86',
})

/** Images as the API shows them. */
export const IMAGES = [
  imageJson(40093247, 'app', 'docker-ce', 'Docker CE (stand-in, see docs/sandbox.md)'),
  imageJson(114690387, 'system', 'debian-12', 'Debian 12'),
]
export type Image = (typeof IMAGES)[number]
