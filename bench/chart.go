package main

import (
	"fmt"
	"html"
	"slices"
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
	b.WriteString(t.opening(height))
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

// opening is the beginning of a chart, with its title.
func (t table) opening(height int) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13">`+"\n"+
		`<rect width="100%%" height="100%%" fill="#fff"/><text x="12" y="26" font-size="15" font-weight="600">%s</text>`+"\n",
		chartWidth, height, chartWidth, height, html.EscapeString(t.title))
}

const (
	courseFrom, courseWidth = 60, 560
	courseTop, courseHeight = 44, 300
)

// courses is how the rates went from second to second, as lines. Things without a course are left out.
func (t table) courses() string {
	var most float64
	long := 2
	for _, s := range t.series {
		long = max(long, len(s.course))
		for _, rate := range s.course {
			most = max(most, rate)
		}
	}
	x := func(second int) float64 { return courseFrom + float64(second)/float64(long-1)*courseWidth }
	y := func(rate float64) float64 { return courseTop + courseHeight*(1-rate/max(most, 1)) }
	var b strings.Builder
	height := courseTop + courseHeight + 50
	b.WriteString(t.opening(height))
	for i := range 5 {
		rate := most * float64(i) / 4
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#d0d7de"/><text x="%d" y="%.1f" text-anchor="end" fill="#57606a">%s</text>`+"\n",
			courseFrom, courseFrom+courseWidth, y(rate), y(rate), courseFrom-8, y(rate)+4, thousands(rate))
	}
	for second := 0; second < long; second += 15 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#57606a">%d s</text>`, x(second), courseTop+courseHeight+18, second)
	}
	colours := []string{"#9aa4b2", "#cf222e", "#1f6feb", "#8250df"}
	drawn := 0
	for _, s := range t.series {
		if s.course == nil {
			continue
		}
		colour := colours[drawn%len(colours)]
		fmt.Fprintf(&b, "\n"+`<polyline fill="none" stroke-width="2" stroke="%s" points="`, colour)
		for second, rate := range s.course {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(second), y(rate))
		}
		at := courseTop + 12 + 24*drawn
		fmt.Fprintf(&b, `"/>`+"\n"+`<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`,
			courseFrom+courseWidth+20, at, colour, courseFrom+courseWidth+38, at+11, html.EscapeString(s.name))
		drawn++
	}
	fmt.Fprintf(&b, "\n"+`<text x="12" y="%d" fill="#57606a" font-size="11">%s</text>`+"\n</svg>\n", height-10, html.EscapeString(t.unit))
	return b.String()
}

func (t table) hasCourses() bool {
	return slices.ContainsFunc(t.series, func(s *series) bool { return s.course != nil })
}

func thousands(rate float64) string {
	digits := fmt.Sprintf("%.0f", rate)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
