package memory_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
)

// texts are what a fuzzer begins with: words, half of them, slips, other people's query languages, and what is no text.
var texts = []string{
	"", "나이키 운동화", "나이키운동화", "나잌", "ㄴㅇㅋ", "노트븍", "nike running shoes", "ＮＩＫＥ", "t-shirt", "512GB", "*", "name:nike OR \"x\"", "[a TO z]",
	"가나다라마바사아자차카타파하", "愛 カメラ", "👟", "\x00", "\xff\xfe", "\u1102\u1161\u110b\u1175", "e\u0301", "\u200b나\u200b이키", "ㄳ값", "=운동화", "a b c d e f g h i j k l m n o p q r s t",
}

func FuzzFind(f *testing.F) {
	x := memory.New()
	require.NoError(f, x.Put(f.Context(), documents(0, 500)))
	sorts := []app.Sort{app.ByRelevance, app.ByNewest, app.ByPriceAsc, app.ByPriceDesc, app.BySales, "", "no such order"}
	for i, text := range texts {
		f.Add(text, "나이키", uint8(i), uint8(i), int64(i)*100, int64(-i), []byte(text))
	}
	f.Add("", "", uint8(0), uint8(20), int64(-1<<63), int64(1<<63-1), []byte{})
	f.Fuzz(func(t *testing.T, text, brand string, sort, limit uint8, a, b int64, id []byte) {
		q := app.Query{Text: text, Sort: sorts[int(sort)%len(sorts)], Limit: int(limit), MinPriceWon: b}
		if brand != "" {
			q.Brands = []string{brand}
		}
		whole, err := x.Find(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(whole.Items), q.Limit)
		require.GreaterOrEqual(t, whole.Total, int64(len(whole.Items)))

		q.After = &app.Position{Values: []int64{a, b}[:len(id)%3], ID: uuid.NewSHA1(uuid.Nil, id)}
		part, err := x.Find(t.Context(), q)
		if len(q.After.Values) != 2 {
			require.ErrorIs(t, err, app.ErrBadPosition)
			return
		}
		require.NoError(t, err)
		require.LessOrEqual(t, len(part.Items), q.Limit)
		require.Equal(t, whole.Total, part.Total, "a position does not change the list")
		if next := whole.Next; next != nil {
			q.After = next
			after, err := x.Find(t.Context(), q)
			require.NoError(t, err)
			require.NotEmpty(t, after.Items)
			for _, item := range after.Items {
				require.NotContains(t, whole.Items, item)
			}
		}
		require.LessOrEqual(t, x.Answers(), memory.MaxAnswers, "what is remembered has a limit")
		require.Equal(t, 500, x.Len())
	})
}

func FuzzSuggest(f *testing.F) {
	x := memory.New()
	require.NoError(f, x.Put(f.Context(), documents(0, 500)))
	for i, text := range texts {
		f.Add(text, i)
	}
	f.Fuzz(func(t *testing.T, typed string, limit int) {
		limit %= 100
		suggestions, err := x.Suggest(t.Context(), typed, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(suggestions), max(limit, 0))
		seen := map[string]bool{}
		for _, s := range suggestions {
			require.False(t, seen[s], "%s: twice", s)
			seen[s] = true
		}
	})
}

// FuzzPut checks that documents with any text can be written, found and taken out.
func FuzzPut(f *testing.F) {
	for i, text := range texts {
		f.Add(text, texts[len(texts)-1-i])
	}
	f.Fuzz(func(t *testing.T, name, other string) {
		x := memory.New()
		d := documents(0, 1)[0]
		d.Name, d.NameEn, d.Brand, d.Color, d.Size, d.Tags, d.Description = name, other, other, name, other, []string{name, other}, name
		require.NoError(t, x.Put(t.Context(), append(documents(1, 4), d)))
		for _, text := range []string{name, other} {
			found, err := x.Find(t.Context(), app.Query{Text: text, Sort: app.ByRelevance, Limit: 10})
			require.NoError(t, err)
			require.LessOrEqual(t, found.Total, int64(4))
		}
		_, err := x.Suggest(t.Context(), name, 5)
		require.NoError(t, err)
		d.Version, d.Visible = 2, false
		require.NoError(t, x.Put(t.Context(), []app.Document{d}))
		require.Equal(t, 3, x.Len())
	})
}
