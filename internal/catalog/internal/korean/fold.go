// Package korean is what every search of the shop knows of how its shoppers write: Hangul and its letters, with or without spaces,
// and which words mean the same.
package korean

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Fold makes texts comparable: composed Hangul, one width, lower case, no control characters. It is not NFKC, which would
// make half a syllable of a lone consonant.
func Fold(s string) string {
	if plain, lower := isPlain(s); plain {
		if lower {
			return s
		}
		return strings.ToLower(s)
	}
	s = width.Fold.String(norm.NFC.String(strings.ToValidUTF8(s, " ")))
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return unicode.ToLower(r)
	}, s)
}

// isPlain tells texts of printable ASCII and whole syllables of Hangul, which most are, and whether one is in lower case: there
// is nothing else to fold in them.
func isPlain(s string) (plain, lower bool) {
	lower = true
	for _, r := range s {
		switch {
		case r >= 'A' && r <= 'Z':
			lower = false
		case r >= ' ' && r <= '~', r >= firstSyllable && r <= lastSyllable:
		default:
			return false, false
		}
	}
	return true, lower
}

// Squeeze leaves the letters and digits of a folded text, so that spacing and punctuation make no difference.
func Squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if isText(r) {
			return r
		}
		return -1
	}, s)
}

func isText(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
