package main

import (
	"fmt"
	"html"
	"strings"
)

const (
	chartWidth = 900
	barsFrom   = 370 // where the names end
	barsWidth  = 400
	barHeight  = 22
	barGap     = 8
	chartTop   = 44
)

// chart is the table's rates as bars, with a mark at each round's own.
func (t table) chart() string {
	var most float64
	for _, s := range t.series {
		for _, x := range s.samples {
			most = max(most, x.rate)
		}
	}
	height := chartTop + len(t.series)*(barHeight+barGap) + 24
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13">`+"\n",
		chartWidth, height, chartWidth, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="12" y="26" font-size="15" font-weight="600">%s</text>`+"\n", html.EscapeString(t.title))
	x := func(rate float64) float64 { return barsFrom + rate/most*barsWidth }
	for i, s := range t.series {
		y := chartTop + i*(barHeight+barGap)
		fill := "#1f6feb"
		if i%2 == 1 {
			fill = "#9aa4b2" // what it is compared with
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, barsFrom-10, y+barHeight-6, html.EscapeString(s.name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, barsFrom, y, x(s.rate())-barsFrom, barHeight, fill)
		for _, one := range s.samples {
			fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#111" stroke-opacity="0.45"/>`, x(one.rate), x(one.rate), y+3, y+barHeight-3)
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", x(most)+12, y+barHeight-6, thousands(s.rate()))
	}
	fmt.Fprintf(&b, `<text x="12" y="%d" fill="#57606a" font-size="11">%s; the bar is the median, a stroke each round</text>`+"\n</svg>\n", height-10, html.EscapeString(t.unit))
	return b.String()
}

func thousands(rate float64) string {
	digits := fmt.Sprintf("%.0f", rate)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
