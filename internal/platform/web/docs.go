package web

import (
	"embed"
	"net/http"
)

// The documentation is a page of our own: it works without a network, and under a policy that runs no inline script.
//
//go:embed docs/index.html docs/docs.css docs/docs.js
var docs embed.FS

func (a *API) serveDocuments() {
	Handle(a, http.MethodGet, "/openapi.json", http.HandlerFunc(a.serveOpenAPI))
	Static(a, docs, map[string]string{
		"/docs":          "docs/index.html",
		"/docs/docs.css": "docs/docs.css",
		"/docs/docs.js":  "docs/docs.js",
	})
}
