package elastic

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/catalog/internal/korean"
)

// hidden is what is indexed of a product that is not to be found.
type hidden struct {
	Visible bool   `json:"visible"`
	ID      string `json:"id"`
}

// document is what is indexed of a product. Its texts are folded. The values of filters are shown as they were written, and told
// apart by folded keys. Only the summary is kept: it is what lists show.
type document struct {
	hidden
	Summary app.Summary `json:"summary"`

	CategoryID  string    `json:"category_id,omitempty"`
	BrandValue  string    `json:"brand_value,omitempty"`
	ColorValue  string    `json:"color_value,omitempty"`
	SizeValue   string    `json:"size_value,omitempty"`
	TagValues   []string  `json:"tag_values,omitempty"`
	BrandKey    string    `json:"brand_key,omitempty"`
	ColorKey    string    `json:"color_key,omitempty"`
	SizeKey     string    `json:"size_key,omitempty"`
	TagKeys     []string  `json:"tag_keys,omitempty"`
	PriceWon    int64     `json:"price_won"`
	InStock     bool      `json:"in_stock"`
	SalesCount  int64     `json:"sales_count"`
	PublishedAt time.Time `json:"published_at"`

	Name        string   `json:"name,omitempty"`
	NameEn      string   `json:"name_en,omitempty"`
	Brand       string   `json:"brand,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Looks       []string `json:"looks,omitempty"` // colour and size
	Description string   `json:"description,omitempty"`

	NameKey      string `json:"name_key,omitempty"`     // squeezed
	NameLetters  string `json:"name_letters,omitempty"` // of each word
	OtherLetters string `json:"other_letters,omitempty"`

	NameValue   string   `json:"name_value,omitempty"`
	Starts      []string `json:"starts,omitempty"` // letters and initials of the name, from its first and from its second word on
	BrandStarts []string `json:"brand_starts,omitempty"`
}

func documentOf(d app.Document) any {
	if !d.Visible {
		return hidden{ID: d.ID.String()}
	}
	name, tags := korean.Fold(d.Name), folded(d.Tags)
	doc := document{
		hidden: hidden{Visible: true, ID: d.ID.String()}, Summary: d.Summary,
		BrandValue: d.Brand, ColorValue: d.Color, SizeValue: d.Size, TagValues: d.Tags,
		BrandKey: korean.Fold(d.Brand), ColorKey: korean.Fold(d.Color), SizeKey: korean.Fold(d.Size), TagKeys: tags,
		PriceWon: d.PriceWon, InStock: d.Availability != catalog.SoldOut, SalesCount: d.SalesCount, PublishedAt: d.PublishedAt,
		Name: name, NameEn: korean.Fold(d.NameEn), Brand: korean.Fold(d.Brand), Tags: tags,
		Description: korean.Fold(d.Description), NameKey: korean.Squeeze(name), NameValue: d.Name,
	}
	if d.CategoryID != uuid.Nil {
		doc.CategoryID = d.CategoryID.String()
	}
	for _, look := range []string{doc.ColorKey, doc.SizeKey} {
		if look != "" {
			doc.Looks = append(doc.Looks, look)
		}
	}
	doc.NameLetters = lettersOf(doc.Name, doc.NameEn)
	doc.OtherLetters = lettersOf(slices.Concat(tags, []string{doc.Brand, doc.ColorKey})...)
	_, rest, _ := strings.Cut(name, " ") // the first word is mostly the brand
	doc.Starts = startsOf(name, rest)
	doc.BrandStarts = startsOf(doc.Brand)
	return doc
}

func folded(values []string) []string {
	keys := make([]string, len(values))
	for i, v := range values {
		keys[i] = korean.Fold(v)
	}
	return keys
}

// lettersOf spells each word once.
func lettersOf(texts ...string) string {
	var words []string
	seen := map[string]bool{}
	for _, text := range texts {
		for word := range strings.FieldsSeq(text) {
			if letters := korean.Letters(word); letters != "" && !seen[letters] {
				seen[letters] = true
				words = append(words, letters)
			}
		}
	}
	return strings.Join(words, " ")
}

// startsOf gives the letters and the initials of texts. They do not get into each other's way: the second letter of a word is a vowel.
func startsOf(texts ...string) []string {
	var starts []string
	for _, text := range texts {
		if text != "" {
			starts = append(starts, korean.Letters(text), korean.Initials(text))
		}
	}
	return starts
}
