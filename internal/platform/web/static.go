package web

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// Under this policy a page runs and loads nothing but what the shop itself serves as a file, and pictures of some other places.
const pageCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:%s; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// Static adds files that are the same for everyone: a page and what it loads. pages maps a path of the site to the name of
// a file in files; one that is not there panics, since it is a programmer's error. pictures are the origins, besides the shop's own, whose
// pictures the pages show.
func Static(api *API, files fs.FS, pages map[string]string, pictures ...string) {
	var others strings.Builder
	for _, origin := range pictures {
		others.WriteString(" " + origin)
	}
	policy := fmt.Sprintf(pageCSP, others.String())
	for pattern, name := range pages {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		etag, contentType := etagOf(sum[:]), mime.TypeByExtension(path.Ext(name))
		Handle(api, http.MethodGet, pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", policy)
			serveBytes(w, r, contentType, body, etag)
		}))
	}
}
