package memory

import (
	"strings"
)

// Suggestions are found by letters, not by syllables: while somebody types 나이키, the screen shows 나잌, whose letters
// ㄴㅏㅇㅣㅋ begin those of 나이키. Each letter is one byte of a key; whatever is neither a letter of Hangul nor ASCII is
// spelled as it is, after a byte that begins no letter.
const (
	firstLetter = 0x80
	otherRune   = 0xff
)

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
	firstJamo, lastJamo         = 'ㄱ', 'ㅣ'
)

// lettersOf spells a folded text.
func lettersOf(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	letter := func(r rune) {
		if parts, ok := compound[r]; ok {
			for _, p := range parts {
				b.WriteByte(byte(firstLetter + p - firstJamo))
			}
			return
		}
		b.WriteByte(byte(firstLetter + r - firstJamo))
	}
	for _, r := range s {
		switch {
		case !isText(r):
		case r < 0x80:
			b.WriteByte(byte(r))
		case r >= firstSyllable && r <= lastSyllable:
			n := int(r - firstSyllable)
			letter(initialLetters[n/588])
			letter(vowelLetters[n%588/28])
			if f := n % 28; f > 0 {
				letter(finalLetters[f-1])
			}
		case r >= firstJamo && r <= lastJamo:
			letter(r)
		default:
			b.WriteByte(otherRune)
			b.WriteRune(r)
		}
	}
	return b.String()
}

// initialsOf spells only how each syllable begins: ㄴㅇㅋ for 나이키, as people type in a hurry.
func initialsOf(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case !isText(r):
		case r < 0x80:
			b.WriteByte(byte(r))
		case r >= firstSyllable && r <= lastSyllable:
			b.WriteByte(byte(firstLetter + initialLetters[(r-firstSyllable)/588] - firstJamo))
		case r >= firstJamo && r <= lastJamo:
			b.WriteByte(byte(firstLetter + r - firstJamo))
		default:
			b.WriteByte(otherRune)
			b.WriteRune(r)
		}
	}
	return b.String()
}

// onlyInitials tells whether a folded text is nothing but consonants of Hangul.
func onlyInitials(s string) bool {
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
