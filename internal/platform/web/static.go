package web

import (
	"crypto/sha256"
	"io/fs"
	"mime"
	"net/http"
	"path"
)

// Under this policy a page runs and loads nothing but what the shop itself serves as a file.
const pageCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// Static adds files that are the same for everyone: a page and what it loads. pages maps a path of the site to the name of
// a file in files; one that is not there panics, since it is a programmer's error.
func Static(api *API, files fs.FS, pages map[string]string) {
	for pattern, name := range pages {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		etag, contentType := etagOf(sum[:]), mime.TypeByExtension(path.Ext(name))
		Handle(api, http.MethodGet, pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", pageCSP)
			serveBytes(w, r, contentType, body, etag)
		}))
	}
}
