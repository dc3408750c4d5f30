import { expect, test } from 'vitest'
import { chooseOffers } from './offers.js'

const offer = (type: string, location: string, monthlyPrice: number) => ({ type, location, monthlyPrice })
const OFFERS = [
  offer('large', 'fsn1', 40),
  offer('small', 'hel1', 4),
  offer('small', 'fsn1', 4),
  offer('medium', 'fsn1', 8),
]
const chosen = (types: string[], locations: string[]) =>
  chooseOffers({ types, locations }, OFFERS).map(at => `${at.type}@${at.location}`)

test('without a wish: the cheapest first, nothing that costs more than twice as much', () => {
  expect(chosen([], [])).toEqual(['small@hel1', 'small@fsn1', 'medium@fsn1'])
})

test('types in the order they are named, whatever they cost', () => {
  expect(chosen(['large', 'small'], [])).toEqual(['large@fsn1', 'small@hel1', 'small@fsn1'])
})

test('locations in the order they are named, and no other', () => {
  expect(chosen(['small'], ['fsn1', 'hel1'])).toEqual(['small@fsn1', 'small@hel1'])
  expect(chosen([], ['hel1'])).toEqual(['small@hel1'])
})

test('nothing fits: nothing', () => {
  expect(chosen(['none'], [])).toEqual([])
  expect(chosen([], ['none'])).toEqual([])
})
