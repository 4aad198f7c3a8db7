package korean

import "strings"

const (
	initials = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
	vowels   = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
	finals   = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
)

var (
	initialLetters = []rune(initials)
	vowelLetters   = []rune(vowels)
	finalLetters   = []rune(finals)
)

// Letters that are typed as two: a syllable that is not finished yet has only the first.
var compound = map[rune]string{
	'ㄳ': "ㄱㅅ", 'ㄵ': "ㄴㅈ", 'ㄶ': "ㄴㅎ", 'ㄺ': "ㄹㄱ", 'ㄻ': "ㄹㅁ", 'ㄼ': "ㄹㅂ", 'ㄽ': "ㄹㅅ", 'ㄾ': "ㄹㅌ", 'ㄿ': "ㄹㅍ", 'ㅀ': "ㄹㅎ", 'ㅄ': "ㅂㅅ",
	'ㅘ': "ㅗㅏ", 'ㅙ': "ㅗㅐ", 'ㅚ': "ㅗㅣ", 'ㅝ': "ㅜㅓ", 'ㅞ': "ㅜㅔ", 'ㅟ': "ㅜㅣ", 'ㅢ': "ㅡㅣ",
}

const (
	firstSyllable, lastSyllable = 0xac00, 0xd7a3

	// FirstLetter and LastLetter bound the letters that syllables are spelled with.
	FirstLetter, LastLetter = 'ㄱ', 'ㅣ'
)

// Letters spells a folded text without spaces or punctuation: ㄴㅏㅇㅣㅋㅣ for 나이키. While somebody types it, the screen shows 나잌,
// whose letters begin those of 나이키; and a slip of a finger changes one letter, not a syllable.
func Letters(s string) string {
	var b strings.Builder
	b.Grow(4 * len(s))
	letter := func(r rune) {
		if parts, ok := compound[r]; ok {
			b.WriteString(parts)
			return
		}
		b.WriteRune(r)
	}
	for _, r := range s {
		switch {
		case !isText(r):
		case r >= firstSyllable && r <= lastSyllable:
			n := int(r - firstSyllable)
			letter(initialLetters[n/588])
			letter(vowelLetters[n%588/28])
			if f := n % 28; f > 0 {
				letter(finalLetters[f-1])
			}
		default:
			letter(r)
		}
	}
	return b.String()
}

// Initials spells only how each syllable begins: ㄴㅇㅋ for 나이키, as people type in a hurry.
func Initials(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case !isText(r):
			return -1
		case r >= firstSyllable && r <= lastSyllable:
			return initialLetters[(r-firstSyllable)/588]
		}
		return r
	}, s)
}

// OnlyInitials tells whether a folded text is nothing but consonants of Hangul.
func OnlyInitials(s string) bool {
	found := false
	for _, r := range s {
		if !isText(r) {
			continue
		}
		if r < 'ㄱ' || r > 'ㅎ' {
			return false
		}
		found = true
	}
	return found
}
