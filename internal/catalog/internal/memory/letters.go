package memory

import (
	"strings"

	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// Suggestions are found by letters. Each letter of Hangul is one byte of a key; whatever is neither one nor ASCII is as it is, after a
// byte that begins no letter.
const (
	firstLetter = 0x80
	otherRune   = 0xff
)

func lettersOf(s string) string  { return packed(korean.Letters(s)) }
func initialsOf(s string) string { return packed(korean.Initials(s)) }

func packed(letters string) string {
	var b strings.Builder
	b.Grow(len(letters))
	for _, r := range letters {
		switch {
		case r < 0x80:
			b.WriteByte(byte(r))
		case r >= korean.FirstLetter && r <= korean.LastLetter:
			b.WriteByte(byte(firstLetter + r - korean.FirstLetter))
		default:
			b.WriteByte(otherRune)
			b.WriteRune(r)
		}
	}
	return b.String()
}
