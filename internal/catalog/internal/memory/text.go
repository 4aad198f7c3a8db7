package memory

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isSyllabic tells the scripts that are cut into pairs of characters: Hangul, Han and Kana, whose words are not set apart
// by spaces reliably.
func isSyllabic(r rune) bool {
	return r >= 0x1100 && unicode.In(r, unicode.Hangul, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

type script int

const (
	none script = iota
	latin
	digit
	syllabic
)

func scriptOf(r rune) script {
	switch {
	case unicode.IsDigit(r):
		return digit
	case isSyllabic(r):
		return syllabic
	case unicode.IsLetter(r):
		return latin
	}
	return none
}

// run is a stretch of one script within a word.
type run struct {
	script script
	text   string
}

// runsOf cuts a word at each change of script.
func runsOf(word string) []run {
	var runs []run
	start, current := 0, none
	for i, r := range word {
		s := scriptOf(r)
		if s == current {
			continue
		}
		if current != none {
			runs = append(runs, run{current, word[start:i]})
		}
		start, current = i, s
	}
	if current != none {
		runs = append(runs, run{current, word[start:]})
	}
	return runs
}

// stem takes the plural from an English word, on both sides of a search.
func stem(s string) string {
	if len(s) > 3 && strings.HasSuffix(s, "s") && !strings.HasSuffix(s, "ss") {
		return s[:len(s)-1]
	}
	return s
}

// joined is the word's Latin letters and digits without what stands between them: t-shirt and tshirt, m 2 and m2. It is
// empty unless the word has several such runs next to each other.
func joined(runs []run) string {
	var b strings.Builder
	n := 0
	for _, r := range runs {
		if r.script == syllabic {
			return ""
		}
		b.WriteString(r.text)
		n++
	}
	if n < 2 {
		return ""
	}
	return stem(b.String())
}

// whole is the token of a word of Hangul, Han or Kana that stands by itself: it is more than a part of another word.
func whole(word string) string { return wholeMark + word }

const wholeMark = "=" // begins no other token

// eachToken gives what the folded field is found by. A thorough one is also found by whole words, by single syllables and across
// its spaces; descriptions are not.
func eachToken(field string, thorough bool, emit func(token string)) {
	previous := ""
	for word := range strings.FieldsSeq(field) {
		runs := runsOf(word)
		for _, r := range runs {
			if r.script != syllabic {
				emit(stem(r.text))
				continue
			}
			eachPair(r.text, thorough, emit)
			if thorough {
				emit(whole(r.text))
			}
		}
		if j := joined(runs); j != "" {
			emit(j)
		}
		if thorough && len(runs) > 0 {
			acrossSpace(previous, word, emit)
			previous = word
		}
	}
}

// eachPair gives each two syllables that follow each other, and each one if single or if there is only one.
func eachPair(s string, single bool, emit func(string)) {
	_, first := utf8.DecodeRuneInString(s)
	if first == len(s) {
		emit(s)
		return
	}
	for start, at := 0, first; start < len(s); {
		if single {
			emit(s[start:at])
		}
		if at == len(s) {
			return
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		emit(s[start : at+n])
		start, at = at, at+n
	}
}

// acrossSpace lets 런닝화 be found in 런닝 화, and airmax in air max.
func acrossSpace(left, right string, emit func(string)) {
	l, n := utf8.DecodeLastRuneInString(left)
	r, m := utf8.DecodeRuneInString(right)
	switch {
	case left == "" || right == "":
	case isSyllabic(l) && isSyllabic(r):
		emit(left[len(left)-n:] + right[:m])
	case scriptOf(l) != none && scriptOf(r) != none && !isSyllabic(l) && !isSyllabic(r):
		if a, b := runsOf(left), runsOf(right); len(a) == 1 && len(b) == 1 {
			emit(stem(left + right))
		}
	}
}
