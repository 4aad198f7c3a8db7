package web

import "golang.org/x/text/language"

var languages = language.NewMatcher([]language.Tag{language.Korean, language.English}) // the first where nothing fits

// LanguageOf is the language to answer in: Korean unless the header Accept-Language rather wants English.
func LanguageOf(header string) language.Tag {
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return language.Korean
	}
	if _, i, _ := languages.Match(wanted...); i == 1 {
		return language.English
	}
	return language.Korean
}
