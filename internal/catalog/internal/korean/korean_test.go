package korean_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

func TestWords(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][]string{
		"":                {},
		"  * ?? \x00\xff": {},
		"Nike 운동화":        {"nike", "운동화"},
		"나이키운동화":          {"나이키", "운동화"},
		"나이키운동화끈":         {"나이키운동화끈"},
		"dyson청소기":        {"dyson", "청소기"},
		"운동화":             {"운동화"},
		"t-shirt c++":     {"t-shirt", "c++"},
		"가 나 다 라 마":       {"가", "나", "다", "라"},
		"ＮＩＫＥ":            {"nike"},
	} {
		require.Equal(t, want, korean.Words(text, 4), "%q", text)
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][2]string{
		"나이키":   {"ㄴㅏㅇㅣㅋㅣ", "ㄴㅇㅋ"},
		"나잌":    {"ㄴㅏㅇㅣㅋ", "ㄴㅇ"},
		"화 값":   {"ㅎㅗㅏㄱㅏㅂㅅ", "ㅎㄱ"},
		"ㄳ":     {"ㄱㅅ", "ㄳ"},
		"m2, 愛": {"m2愛", "m2愛"},
	} {
		require.Equal(t, want, [2]string{korean.Letters(text), korean.Initials(text)}, text)
	}
	require.True(t, korean.OnlyInitials("ㄴㅇ ㅋ"))
	require.False(t, korean.OnlyInitials("ㄴㅏ"))
	require.False(t, korean.OnlyInitials(" "))
}

func TestSynonyms(t *testing.T) {
	t.Parallel()

	seen := map[string]bool{}
	for _, group := range korean.Synonyms() {
		require.Greater(t, len(group), 1)
		for _, word := range group {
			require.False(t, seen[word], "%s: twice", word)
			seen[word] = true
			require.Equal(t, korean.Squeeze(korean.Fold(word)), strings.ReplaceAll(word, " ", ""))
			require.Equal(t, group, korean.SynonymsOf(word))
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, text := range []string{"나이키운동화", "나이키 운동화 270", "t-shirt", "\xff", "ﾡ", "İ", "\u1102\u1161", "ㄳ값"} {
		f.Add(text, 3)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit &= 15
		words := korean.Words(text, limit)
		require.LessOrEqual(t, len(words), limit)
		squeezed := korean.Squeeze(korean.Fold(text))
		for _, word := range words {
			require.NotEmpty(t, korean.Letters(word))
			rest, ok := strings.CutPrefix(squeezed, korean.Squeeze(word))
			require.True(t, ok, "nothing is lost, nothing is new")
			squeezed = rest
		}
		require.True(t, len(words) == limit || squeezed == "")
	})
}
