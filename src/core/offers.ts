/** A type of machine in one place, with its price. */
interface Priced {
  type: string
  location: string
  monthlyPrice: number
}

/** Where nobody named a type, a dearer one may stand in for the cheapest up to this many times its price. */
const TOLERANCE = 2

/**
 * What to try to buy, in order. Named types come in the order they are named; without any, the cheapest first, and
 * none that costs more than twice as much. Locations named are tried in their order, all others not at all.
 * Empty when nothing on offer fits.
 */
export function chooseOffers<O extends Priced>(
  wanted: { types: readonly string[]; locations: readonly string[] },
  offers: readonly O[],
): O[] {
  const { types, locations } = wanted
  const fits = (names: readonly string[], name: string) => names.length === 0 || names.includes(name)
  const fitting = offers.filter(offer => fits(types, offer.type) && fits(locations, offer.location))
  const cheapest = Math.min(...fitting.map(offer => offer.monthlyPrice))
  const affordable =
    types.length > 0 ? fitting : fitting.filter(at => at.monthlyPrice <= cheapest * TOLERANCE)
  return affordable.toSorted(
    (a, b) =>
      types.indexOf(a.type) - types.indexOf(b.type) ||
      (types.length > 0 ? 0 : a.monthlyPrice - b.monthlyPrice) ||
      locations.indexOf(a.location) - locations.indexOf(b.location) ||
      a.monthlyPrice - b.monthlyPrice,
  )
}
