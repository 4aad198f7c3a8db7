package elastic

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/olivere/elastic/v7"

	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

const (
	maxWords  = 16 // of a query that are looked for
	maxLength = 64 // of a word, in characters
	leastHalf = 3  // letters that are enough to begin a word with
)

// The fields that are searched, with what a word in them counts for. Scores are sums of these alone, never of how rare a word is, so a
// product's score does not move when others come and go, and pages stay where they are.
var fields = []struct {
	name   string
	weight float64
	pairs  string // the analyzer of Hangul by pairs of syllables, in the sub-field .pairs; empty: there is none
	whole  bool   // has words as they are written, also across a space, in the sub-field .whole
}{
	{"name", 10, "pairs_and_singles", true},
	{"name_en", 9, "", true},
	{"brand", 8, "pairs_and_singles", true},
	{"tags", 6, "pairs_and_singles", true},
	{"looks", 4, "pairs_and_singles", true}, // colour and size
	{"description", 1, "pairs", false},
}

// The fields of words by their letters.
var letters = []struct {
	name   string
	weight float64
}{
	{"name_letters", 10},
	{"other_letters", 6},
}

// Times the weight.
const (
	whole   = 5 // a word by itself, as it was typed
	partial = 4 // a part of another word
	synonym = 4 // another word for it, by itself
	similar = 2 // another form of it, or a part that is another word for it
	almost  = 1 // one that differs in a letter, or is not finished
)

// What it counts that the name is, or has, the whole text.
const (
	wholeName  = 120
	partOfName = 40
)

// asWritten finds what has every word, and counts the best field that has it.
func asWritten(words []string) elastic.Query {
	all := elastic.NewBoolQuery()
	for _, word := range words {
		all.Must(elastic.NewDisMaxQuery().Query(anywhere(word)...))
	}
	text := strings.Join(words, " ")
	inName := []elastic.Query{scored(elastic.NewMatchQuery("name_key", korean.Squeeze(text)), wholeName)}
	if len(words) > 1 {
		inName = append(inName, scored(elastic.NewMatchPhraseQuery("name", text).Analyzer("korean"), partOfName))
	}
	return all.Should(elastic.NewDisMaxQuery().Query(inName...))
}

// anywhere looks for a word in every field, in every way.
func anywhere(word string) []elastic.Query {
	word = cut(word)
	var queries []elastic.Query
	for _, f := range fields {
		if f.whole {
			queries = append(queries,
				scored(elastic.NewMatchQuery(f.name+".whole", word), f.weight*whole),
				scored(elastic.NewMatchQuery(f.name+".whole", word).Analyzer("whole_synonyms").Operator("and"), f.weight*synonym))
		}
		if f.pairs != "" {
			queries = append(queries, scored(elastic.NewMatchQuery(f.name+".pairs", word).Operator("and"), f.weight*partial))
		}
		queries = append(queries, scored(elastic.NewMatchQuery(f.name, word).Operator("and"), f.weight*similar))
	}
	return queries
}

// nearly also takes words that differ in a letter or two, and those that begin with what was typed: letters of Hangul, so half a
// syllable will do. Of three words or more one may be missing.
func nearly(words []string) elastic.Query {
	some := elastic.NewBoolQuery()
	for _, word := range words {
		queries := anywhere(word)
		if strings.IndexFunc(word, notLetter) < 0 {
			spelled := cut(korean.Letters(word))
			for _, f := range letters {
				queries = append(queries, scored(elastic.NewMatchQuery(f.name, spelled).Fuzziness("AUTO:4,9").PrefixLength(1), f.weight*almost))
				if utf8.RuneCountInString(spelled) >= leastHalf {
					queries = append(queries, scored(elastic.NewMatchBoolPrefixQuery(f.name, spelled), f.weight*almost))
				}
			}
		}
		some.Should(elastic.NewDisMaxQuery().Query(queries...))
	}
	need := len(words)
	if need > 2 {
		need--
	}
	return some.MinimumNumberShouldMatch(need)
}

func scored(q elastic.Query, score float64) elastic.Query {
	return elastic.NewConstantScoreQuery(q).Boost(score)
}

func cut(word string) string {
	if runes := []rune(word); len(runes) > maxLength {
		return string(runes[:maxLength])
	}
	return word
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }
