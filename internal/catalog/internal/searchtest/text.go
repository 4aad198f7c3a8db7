package searchtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

func text(t *testing.T, x app.Index) {
	put(t, x,
		document(1, "나이키 에어맥스 90 러닝화", "Nike Air Max 90 Running Shoes", "나이키"),
		document(2, "아디다스 클래식 스니커즈", "Adidas Classic Sneakers", "아디다스"),
		document(3, "한결 오버핏 티셔츠", "Hangyeol Oversized T-Shirt", "한결", func(d *app.Document) { d.Tags = []string{"여름 코디"} }),
		document(4, "온기 저소음 선풍기", "Ongi Quiet Fan", "온기", func(d *app.Document) { d.Description = "밤에도 조용한 바람. Energy saving." }),
		document(5, "가죽 로퍼", "Leather Loafers", "모닝스티치"),
	)
	for query, want := range map[string][]string{
		"나이키":                                  {"나이키 에어맥스 90 러닝화"},
		"nike":                                 {"나이키 에어맥스 90 러닝화"},
		"NIKE":                                 {"나이키 에어맥스 90 러닝화"},
		"ＮＩＫＥ":                                 {"나이키 에어맥스 90 러닝화"},
		"나이키 러닝":                               {"나이키 에어맥스 90 러닝화"},
		"나이키러닝화":                               {"나이키 에어맥스 90 러닝화"},
		"에어 맥스":                                {"나이키 에어맥스 90 러닝화"},
		"airmax":                               {"나이키 에어맥스 90 러닝화"},
		"air max 90":                           {"나이키 에어맥스 90 러닝화"},
		"90":                                   {"나이키 에어맥스 90 러닝화"},
		"나이키 아디다스":                             {},
		"운동화":                                  {"아디다스 클래식 스니커즈"},
		"sneaker":                              {"아디다스 클래식 스니커즈"},
		"아디다스운동화":                              {"아디다스 클래식 스니커즈"},
		"tshirt":                               {"한결 오버핏 티셔츠"},
		"t-shirt":                              {"한결 오버핏 티셔츠"},
		"오버 핏":                                 {"한결 오버핏 티셔츠"},
		"여름":                                   {"한결 오버핏 티셔츠"},
		"여름코디":                                 {"한결 오버핏 티셔츠"},
		"조용한":                                  {"온기 저소음 선풍기"},
		"energy":                               {"온기 저소음 선풍기"},
		"loafer":                               {"가죽 로퍼"},
		"구두":                                   {"가죽 로퍼"},
		"자전거":                                  {},
		"나":                                    {"나이키 에어맥스 90 러닝화"},
		"  선풍기  ":                              {"온기 저소음 선풍기"},
		"\u1102\u1161\u110b\u1175\u110f\u1175": {"나이키 에어맥스 90 러닝화"}, // decomposed, as macOS writes file names
	} {
		require.ElementsMatch(t, want, names(find(t, x, app.Query{Text: query, Sort: app.ByRelevance})), "%q", query)
	}
}

// original 53: what a shopper typed was a query, with wildcards before and after it.
func noLanguage(t *testing.T, x app.Index) {
	put(t, x, document(1, "나이키 운동화", "Nike Sneakers", "나이키"), document(2, "C++ 책", "C++ Book (2nd)", "출판사"))
	for query, total := range map[string]int64{
		"*": 0, "?": 0, "나*": 1, "nike OR book": 0, "nike AND NOT book": 0, "name:nike": 0, "-nike": 1, "\"nike\"": 1, "(nike": 1, "nike~2": 0, "/.*/": 0,
		"[a TO z]": 0, "c++": 1, "\\": 0, "%": 0, "_": 0, "{\"match_all\":{}}": 0, "' OR 1=1 --": 0, "\x00": 0, "\xff\xfe": 0, "": 2, "   ": 2,
	} {
		require.Equal(t, total, find(t, x, app.Query{Text: query, Sort: app.ByRelevance}).Total, "%q", query)
	}
}

func relevance(t *testing.T, x app.Index) {
	inDescription := document(1, "평범한 상품", "Plain", "무명", func(d *app.Document) { d.Description = "캔버스 운동화와 어울립니다"; d.SalesCount = 1000 })
	inTag := document(2, "다른 상품", "Other", "무명", func(d *app.Document) { d.Tags = []string{"캔버스"} })
	inName := document(3, "가벼운 캔버스 가방", "Light Bag", "무명")
	exact := document(4, "캔버스", "", "무명")
	best := document(5, "튼튼한 캔버스 가방", "Strong Bag", "무명", func(d *app.Document) { d.SalesCount = 10 })
	put(t, x, inDescription, inTag, inName, exact, best)
	require.Equal(t, []string{exact.Name, best.Name, inName.Name, inTag.Name, inDescription.Name},
		names(find(t, x, app.Query{Text: "캔버스", Sort: app.ByRelevance})))
	require.Equal(t, inDescription.Name, find(t, x, app.Query{Sort: app.ByRelevance}).Items[0].Name, "the best seller, where nothing was asked for")
}

// long texts have an answer too: more words than are looked for, and longer ones than anything has.
func long(t *testing.T, x app.Index) {
	put(t, x, document(1, "나이키 운동화", "Nike Sneakers", "나이키"))
	for _, text := range []string{
		strings.Repeat("나이키 ", 1000), strings.Repeat("나이키", 1000), strings.Repeat("nike", 5000), strings.Repeat("나 ", 5000), strings.Repeat("ㄴ", 3000),
		strings.Repeat("👟", 2000), strings.Repeat("a-1", 2000), strings.Repeat("愛", 2000), strings.Repeat("e\u0301", 2000),
	} {
		find(t, x, app.Query{Text: text, Sort: app.ByRelevance})
		_, err := x.Suggest(t.Context(), text, 10)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, find(t, x, app.Query{Text: strings.Repeat("나이키 ", 1000)}).Total)
}

func wholeWords(t *testing.T, x app.Index) {
	put(t, x,
		document(1, "커피아틀리에 견과", "Coffee Atelier Nuts", "커피아틀리에", func(d *app.Document) { d.SalesCount = 1000 }),
		document(2, "농장 원두 커피", "Farm Coffee", "농장"),
		document(3, "설화수 선크림", "Sunscreen", "설화수", func(d *app.Document) { d.SalesCount = 1000 }),
		document(4, "설화수 크림", "Cream", "설화수"),
	)
	require.Equal(t, []string{"농장 원두 커피", "커피아틀리에 견과"}, names(find(t, x, app.Query{Text: "커피", Sort: app.ByRelevance})))
	require.Equal(t, []string{"설화수 크림", "설화수 선크림"}, names(find(t, x, app.Query{Text: "설화수 크림", Sort: app.ByRelevance})))
}

func synonyms(t *testing.T, x app.Index) {
	var documents []app.Document
	for i, group := range korean.Synonyms() {
		documents = append(documents, document(i, group[0], "", "무명", func(d *app.Document) { d.Color, d.Size = "", "" }))
	}
	put(t, x, documents...)
	for i, group := range korean.Synonyms() {
		for _, word := range group {
			if !strings.Contains(word, " ") { // two words are asked for one by one
				require.Contains(t, names(find(t, x, app.Query{Text: word, Sort: app.ByRelevance})), documents[i].Name, word)
			}
		}
	}
}

func nearly(t *testing.T, x app.Index) {
	put(t, x,
		document(1, "나이키 에어 운동화", "Nike Air Sneakers", "나이키"),
		document(2, "아디다스 반바지", "Adidas Shorts", "아디다스"),
		document(3, "아디다소 슬리퍼", "", "아디다소"),
		document(4, "하늘전자 노트북 AB-120", "Haneul Laptop", "하늘전자", func(d *app.Document) { d.Size, d.Color = "512GB", "화이트" }),
	)
	for text, want := range map[string][]string{
		"아디다스":           {"아디다스 반바지"}, // something has it: what is nearly the same does not count
		"아디다수":           {"아디다스 반바지", "아디다소 슬리퍼"},
		"나이끼 운동화":        {"나이키 에어 운동화"},
		"노트븍":            {"하늘전자 노트북 AB-120"},
		"addidas":        {"아디다스 반바지"},
		"labtop":         {"하늘전자 노트북 AB-120"},
		"lpatop":         {"하늘전자 노트북 AB-120"},
		"하늘존저":           {"하늘전자 노트북 AB-120"}, // a long word may have two
		"하눌존저":           {},
		"나잌":             {"나이키 에어 운동화"},
		"나이키 운도":         {"나이키 에어 운동화"},
		"노트부":            {"하늘전자 노트북 AB-120"},
		"운동호":            {"나이키 에어 운동화"}, // on the way to 화
		"sneak":          {"나이키 에어 운동화"},
		"하늘전자 하얀 노트북":    {"하늘전자 노트북 AB-120"},
		"노트북 512gb":      {"하늘전자 노트북 AB-120"},
		"집에서 쓰는 노트북":     {}, // two of three are nowhere
		"가벼운 나이키 운동화":    {"나이키 에어 운동화"},
		"가벼운 나이키":        {}, // of two, both
		"나이키 노트북":        {},
		"ㅇ":              {},
		"아디":             {"아디다스 반바지", "아디다소 슬리퍼"},
		"AB-130":         {}, // numbers are meant as they are
		"ab120":          {"하늘전자 노트북 AB-120"},
		"하늘전자\u200b 노트븍": {"하늘전자 노트북 AB-120"},
	} {
		require.ElementsMatch(t, want, names(find(t, x, app.Query{Text: text, Sort: app.ByRelevance})), "%q", text)
	}
	found := find(t, x, app.Query{Text: "아디다수", Brands: []string{"아디다소"}})
	require.Equal(t, []string{"아디다소 슬리퍼"}, names(found))
	require.Len(t, found.Facets.Brands, 2)
	require.Empty(t, names(find(t, x, app.Query{Text: "아디다스", Brands: []string{"아디다소"}})), "the filters have no say in it")
	require.Len(t, walk(t, x, app.Query{Text: "아디다수", Sort: app.ByRelevance, Limit: 1}, nil), 2)
}

func suggest(t *testing.T, x app.Index) {
	put(t, x,
		document(1, "나이키 러닝화", "", "나이키"),
		document(2, "나이키 에어 운동화", "", "나이키", func(d *app.Document) { d.SalesCount = 5 }),
		document(3, "나무결 의자", "", "나무결"),
		document(4, "Nordic 의자", "", "노르딕"),
	)
	for typed, want := range map[string][]string{
		"나이키":      {"나이키", "나이키 에어 운동화", "나이키 러닝화"},
		"나잌":       {"나이키", "나이키 에어 운동화", "나이키 러닝화"}, // the syllable that is on the screen before 키 is complete
		"나이ㅋ":      {"나이키", "나이키 에어 운동화", "나이키 러닝화"},
		"ㄴㅇㅋ":      {"나이키", "나이키 에어 운동화", "나이키 러닝화"},
		"나이키러":     {"나이키 러닝화"},
		"나이키 러":    {"나이키 러닝화"},
		"에어":       {"나이키 에어 운동화"},
		"나무":       {"나무결", "나무결 의자"},
		"nor":      {"Nordic 의자"},
		"의자의자":     {},
		"":         {},
		"   ":      {},
		"*":        {},
		"\x00\xff": {},
	} {
		got, err := x.Suggest(t.Context(), typed, 10)
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", typed)
	}
	got, err := x.Suggest(t.Context(), "나", 2)
	require.NoError(t, err)
	require.Equal(t, []string{"나무결", "나이키"}, got)
}
