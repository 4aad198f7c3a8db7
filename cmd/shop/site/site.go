// Package site is the shop's own two pages: the small storefront at / and the admin's at /admin. Both are static and use
// nothing but the public API, as any client would.
package site

import (
	"embed"

	"github.com/sasapick/shop/internal/platform/web"
)

//go:embed *.html *.js *.css
var files embed.FS

// Routes adds the pages. /paid and /unpaid are where Toss sends a shopper back to; pictures are the origins of products' pictures, where these
// are not the shop's own.
func Routes(api *web.API, pictures ...string) {
	web.Static(api, files, map[string]string{
		"/":                "shop.html",
		"/paid":            "shop.html",
		"/unpaid":          "shop.html",
		"/admin":           "admin.html",
		"/assets/shop.js":  "shop.js",
		"/assets/admin.js": "admin.js",
		"/assets/kit.js":   "kit.js",
		"/assets/site.css": "site.css",
	}, pictures...)
}
