package app

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const (
	maxEmailBytes     = 254
	maxNameRunes      = 100
	minPasswordRunes  = 8
	maxPasswordRunes  = 128
	maxLocalPartBytes = 64
)

func invalid(pointer, detail string) *fault.Error {
	return web.ErrInvalid.WithFields(fault.Field{Pointer: pointer, Detail: detail})
}

// normalEmail is the one form of an email address under which an account is kept and found; false when it is none.
func normalEmail(s string) (string, bool) {
	s = norm.NFC.String(strings.ToLower(norm.NFC.String(strings.TrimSpace(s))))
	if len(s) > maxEmailBytes || !utf8.ValidString(s) || strings.ContainsFunc(s, isBlank) {
		return "", false
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s { // a display name, a comment, a quoted part
		return "", false
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > maxLocalPartBytes || strings.ContainsAny(domain, "@[]") {
		return "", false
	}
	return s, true
}

func isBlank(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// normalLine is a line of text as it is stored: composed, without spaces around it. False when it holds what no line
// does, or is longer than most runes.
func normalLine(s string, least, most int) (string, bool) {
	s = strings.TrimSpace(norm.NFC.String(s))
	n := utf8.RuneCountInString(s)
	return s, utf8.ValidString(s) && n >= least && n <= most && !strings.ContainsFunc(s, unicode.IsControl)
}

func validPassword(s string) bool {
	n := utf8.RuneCountInString(s)
	return utf8.ValidString(s) && n >= minPasswordRunes && n <= maxPasswordRunes
}
