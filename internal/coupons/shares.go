package coupons

import "math/bits"

// UnitShares is what of a line's discount falls on each of its units: never more than one won apart, and they sum to the won. Both
// numbers must not be negative; of no units there are no shares.
func UnitShares(lineDiscountWon, quantity int64) []int64 {
	shares := make([]int64, quantity)
	before := int64(0)
	for n := range quantity {
		until := Portion(lineDiscountWon, n+1, quantity)
		shares[n], before = until-before, until
	}
	return shares
}

// Portion is won · part / whole, rounded down, however large they are. It needs 0 <= part <= whole, and a whole above zero.
func Portion(won, part, whole int64) int64 {
	high, low := bits.Mul64(uint64(won), uint64(part))
	quotient, _ := bits.Div64(high, low, uint64(whole)) // high < whole, as part <= whole and won < 2^63
	return int64(quotient)
}
