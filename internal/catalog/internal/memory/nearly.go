package memory

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

const (
	maxNearly  = 50 // words that one is taken for
	maxLetters = 64 // of a word that is compared
	leastHalf  = 3  // letters that are enough to begin a word with
)

// spelling is a word that a segment has, by its letters.
type spelling struct {
	letters string
	token   string
}

// spell lists the words of the segment in the order of their letters: whole ones of Hangul, and Latin ones.
func (s *segment) spell() []spelling {
	var words []spelling
	for token := range s.postings {
		word, isWhole := strings.CutPrefix(token, wholeMark)
		if isWhole || strings.IndexFunc(word, notLatin) < 0 {
			words = append(words, spelling{lettersOf(word), token})
		}
	}
	slices.SortFunc(words, func(a, b spelling) int { return strings.Compare(a.letters, b.letters) })
	return words
}

func notLatin(r rune) bool  { return !unicode.IsLetter(r) || isSyllabic(r) }
func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// nearly also admits the segment's words that differ from those that were typed in a letter or two, and those that begin with them:
// letters of Hangul, so half a syllable will do.
func (s *segment) nearly(typed []string) []clause {
	clauses := make([]clause, len(typed))
	for i, word := range typed {
		clauses[i] = clauseOf(word)
		for _, token := range s.tokensLike(word) {
			clauses[i] = append(clauses[i], alternative{[]string{token}, asNearly})
		}
	}
	return clauses
}

// tokensLike finds the words with the fewest differences. The first letter is mostly right, and must be.
func (s *segment) tokensLike(word string) []string {
	if strings.IndexFunc(word, notLetter) >= 0 {
		return nil
	}
	letters := lettersOf(stem(word))
	type candidate struct {
		token       string
		differences int
	}
	var candidates []candidate
	words := s.words()
	first, _ := slices.BinarySearchFunc(words, letters[:1], func(w spelling, key string) int { return strings.Compare(w.letters, key) })
	for _, w := range words[first:] {
		if w.letters[0] != letters[0] {
			break
		}
		switch n := differences(w.letters, letters, tolerated(letters)); {
		case n >= 0:
			candidates = append(candidates, candidate{w.token, n})
		case len(letters) >= leastHalf && strings.HasPrefix(w.letters, letters):
			candidates = append(candidates, candidate{w.token, len(w.letters) - len(letters)})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.differences, b.differences) })
	tokens := make([]string, 0, maxNearly)
	for _, c := range candidates[:min(len(candidates), maxNearly)] {
		tokens = append(tokens, c.token)
	}
	return tokens
}

// tolerated is how many slips of a finger a word may have.
func tolerated(letters string) int {
	switch n := len(letters); {
	case n < 4:
		return 0
	case n < 9:
		return 1
	}
	return 2
}

// differences counts the letters to change, add, leave out or swap to make b of a; -1: more than limit.
func differences(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return -1
	}
	if len(b) > maxLetters {
		return -1
	}
	var rows [3][maxLetters + 1]int
	two, one, row := &rows[0], &rows[1], &rows[2] // the two rows before, and this one
	for j := range len(b) + 1 {
		one[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			change := one[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, one[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], two[j-1]+1)
			}
			least = min(least, row[j+1])
		}
		if least > limit {
			return -1
		}
		two, one, row = one, row, two
	}
	if one[len(b)] > limit {
		return -1
	}
	return one[len(b)]
}
