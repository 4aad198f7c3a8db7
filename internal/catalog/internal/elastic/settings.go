package elastic

import (
	_ "embed"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

//go:embed index.json
var indexJSON []byte

// settings is what an index is made with: index.json, with the fields that are searched and the words that the shop knows. Without
// the dictionary 운동화 is cut to 운동, and a synonym of several pieces is none.
func settings() map[string]any {
	var body map[string]any
	if err := json.Unmarshal(indexJSON, &body); err != nil {
		panic("catalog: index.json: " + err.Error()) // embedded
	}
	within := func(path ...string) map[string]any {
		m := body
		for _, key := range path {
			m = m[key].(map[string]any)
		}
		return m
	}
	properties := within("mappings", "properties")
	for _, f := range fields {
		field, subfields := text("korean", "korean_search"), map[string]any{}
		if f.pairs != "" {
			subfields["pairs"] = text(f.pairs, "pairs")
		}
		if f.whole {
			subfields["whole"] = text("whole", "whole_search")
		}
		field["fields"] = subfields
		properties[f.name] = field
	}
	within("mappings", "properties", "name")["index_options"] = "positions" // for phrases
	for _, f := range letters {
		properties[f.name] = text("letters", "letters")
	}
	dictionary, synonyms := known()
	within("settings", "analysis", "tokenizer", "nori")["user_dictionary_rules"] = dictionary
	within("settings", "analysis", "filter", "synonyms")["synonyms"] = synonyms
	return body
}

// text is a field of which only matters whether a word is in it.
func text(analyzer, search string) map[string]any {
	return map[string]any{"type": "text", "analyzer": analyzer, "search_analyzer": search, "norms": false, "index_options": "docs"}
}

// known returns the dictionary of nori, and the rules of its synonyms.
func known() (dictionary, synonyms []string) {
	for _, group := range korean.Synonyms() {
		synonyms = append(synonyms, strings.Join(group, ", "))
		for _, word := range group {
			// A single syllable would be cut out of every word that has it.
			if first, n := utf8.DecodeRuneInString(word); first > unicode.MaxASCII && len(word) > n && !strings.Contains(word, " ") {
				dictionary = append(dictionary, word)
			}
		}
	}
	return dictionary, synonyms
}
