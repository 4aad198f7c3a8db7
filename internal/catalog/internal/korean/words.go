package korean

import "strings"

// Words cuts what somebody typed into folded words, at most so many. What is no letter and no digit has no meaning; words that were
// written together are set apart where all of them are known.
func Words(text string, limit int) []string {
	words := []string{}
	for word := range strings.FieldsSeq(Fold(text)) {
		squeezed := Squeeze(word)
		if squeezed == "" {
			continue
		}
		parts := splitKnown(squeezed)
		if parts == nil {
			parts = []string{word}
		}
		for _, part := range parts {
			if len(words) == limit {
				return words
			}
			words = append(words, part)
		}
	}
	return words
}

// longestWord is the most syllables that a known word has.
var longestWord = func() (n int) {
	for w := range groups {
		n = max(n, len([]rune(w)))
	}
	return n
}()

// splitKnown cuts 나이키운동화 into 나이키 and 운동화: a word written together from words that are all known. It returns nil
// for any other.
func splitKnown(word string) []string {
	runes := []rune(word)
	if len(runes) < 4 {
		return nil
	}
	// cuts[i] is where the last word of the best cut of the first i syllables begins; the longest last word wins.
	cuts := make([]int, len(runes)+1)
	for end := 1; end <= len(runes); end++ {
		cuts[end] = -1
		for start := max(0, end-longestWord); start < end-1; start++ {
			if start > 0 && cuts[start] < 0 {
				continue
			}
			if _, known := groups[string(runes[start:end])]; known {
				cuts[end] = start
				break
			}
		}
	}
	if cuts[len(runes)] <= 0 { // no cut, or the whole is one word
		return nil
	}
	var words []string
	for end := len(runes); end > 0; end = cuts[end] {
		words = append([]string{string(runes[cuts[end]:end])}, words...)
	}
	return words
}
