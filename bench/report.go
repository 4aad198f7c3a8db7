package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is what was found.
type report struct {
	opens    string // before its place in the document
	machine  machine
	settings settings
	tables   []table
	took     time.Duration
}

// table is things that were measured by turns.
type table struct {
	id, title, unit string
	series          []*series
	columns         []column // nil: those of a load
	targets         []target
	limits          []limit
	notes           []string
}

// target is what a ratio is to be at least; 0: it is only shown.
type target struct {
	says     string
	of, over *series
	least    float64
}

func (t target) String() string {
	middle, low, high := ratio(t.of, t.over, rateOf)
	return judged(t.says, middle, low, high, t.least != 0, middle >= t.least)
}

// limit is what a ratio of another figure is to be at most; 0: it is only shown.
type limit struct {
	says     string
	of, over *series
	figure   func(sample) float64
	most     float64
}

func (l limit) String() string {
	middle, low, high := ratio(l.of, l.over, l.figure)
	return judged(l.says, middle, low, high, l.most != 0, middle <= l.most)
}

func judged(says string, middle, low, high float64, wanted, met bool) string {
	verdict := ""
	switch {
	case !wanted:
	case met:
		verdict = ": pass"
	default:
		verdict = ": FAIL"
	}
	return fmt.Sprintf("%s: %.2f × (rounds %.2f to %.2f)%s", says, middle, low, high, verdict)
}

// add keeps a table and shows it.
func (r *report) add(t table) {
	r.tables = append(r.tables, t)
	fmt.Print(t.text())
}

func micros(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000)
}

// column is one of a table, after the names.
type column struct {
	head string
	cell func(*series) string
}

var (
	latencies = []column{
		{"a second", func(s *series) string { return fmt.Sprintf("%.0f", s.rate()) }},
		{"p50 ms", func(s *series) string { return micros(figure(s, func(x sample) time.Duration { return x.p50 })) }},
		{"p99 ms", func(s *series) string { return micros(figure(s, func(x sample) time.Duration { return x.p99 })) }},
		{"p99.9 ms", func(s *series) string { return micros(figure(s, func(x sample) time.Duration { return x.p999 })) }},
	}
	costs = []column{
		{"CPU µs, server", func(s *series) string {
			return fmt.Sprintf("%.1f", figure(s, func(x sample) float64 { return x.serverMicros }))
		}},
		{"CPU µs, PostgreSQL", func(s *series) string {
			return fmt.Sprintf("%.1f", figure(s, func(x sample) float64 { return x.postgresMicros }))
		}},
	}
	underLoad = slices.Concat(latencies, costs)
)

func (t table) shown() []column {
	if t.columns == nil {
		return underLoad
	}
	return t.columns
}

func (t table) rows() [][]string {
	rows := [][]string{{""}}
	for _, c := range t.shown() {
		rows[0] = append(rows[0], c.head)
	}
	for _, s := range t.series {
		name := s.name
		failed, first := 0, error(nil)
		for _, x := range s.samples {
			failed += x.failed
			if first == nil {
				first = x.failure
			}
		}
		if failed > 0 {
			name += fmt.Sprintf(" (%d failed: %.80s)", failed, first)
		}
		row := []string{name}
		for _, c := range t.shown() {
			row = append(row, c.cell(s))
		}
		rows = append(rows, row)
	}
	return rows
}

// text is the table for a terminal.
func (t table) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", t.title)
	rows := t.rows()
	for _, row := range rows {
		fmt.Fprintf(&b, "  %-52s", row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(&b, "  %*s", len([]rune(rows[0][i+1])), cell)
		}
		b.WriteString("\n")
	}
	for _, line := range t.verdicts() {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("\n")
	return b.String()
}

func (t table) verdicts() []string {
	var lines []string
	for _, g := range t.targets {
		lines = append(lines, g.String())
	}
	for _, l := range t.limits {
		lines = append(lines, l.String())
	}
	return lines
}

// markdown is the table for the document.
func (t table) markdown(folder string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n![%s](%s/%s.svg)\n\n", t.title, t.title, folder, t.id)
	if t.hasCourses() {
		fmt.Fprintf(&b, "![%s, second by second](%s/%s-course.svg)\n\n", t.title, folder, t.id)
	}
	for i, row := range t.rows() {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|---:", len(row)-1) + "|\n")
		}
	}
	b.WriteString("\n")
	for _, line := range append(t.verdicts(), t.notes...) {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.String() + "\n"
}

// What stands between these in the document is a command's.
const (
	opens         = "<!-- measured: go run ./bench writes this -->\n"
	opensCatalog  = "<!-- measured: go run ./bench catalog writes this -->\n"
	opensQueue    = "<!-- measured: go run ./bench queue writes this -->\n"
	opensOverload = "<!-- measured: go run ./bench overload writes this -->\n"
	closes        = "<!-- /measured -->"
)

// write draws the charts and puts the tables into the document.
func (r *report) write() error {
	if err := os.MkdirAll(r.settings.Out, 0o755); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%d rounds of %s each, after %s of warming up; commit %s; %s in all.\n\n",
		r.machine, r.settings.Rounds, r.settings.Run, r.settings.Warm, r.machine.commit, r.took.Round(time.Second))
	for _, t := range r.tables {
		if err := os.WriteFile(filepath.Join(r.settings.Out, t.id+".svg"), []byte(t.chart()), 0o644); err != nil {
			return fmt.Errorf("write a chart: %w", err)
		}
		if t.hasCourses() {
			if err := os.WriteFile(filepath.Join(r.settings.Out, t.id+"-course.svg"), []byte(t.courses()), 0o644); err != nil {
				return fmt.Errorf("write a chart: %w", err)
			}
		}
		b.WriteString(t.markdown(filepath.Base(r.settings.Out)))
	}
	document := r.settings.Out + ".md"
	text, err := os.ReadFile(document)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the report: %w", err)
	}
	before, rest, found := strings.Cut(string(text), r.opens)
	_, after, closed := strings.Cut(rest, closes)
	if !found || !closed {
		before, after = string(text)+"\n", "\n"
	}
	if err := os.WriteFile(document, []byte(before+r.opens+b.String()+closes+after), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Printf("%s and the charts in %s are written; %s in all\n", document, r.settings.Out, r.took.Round(time.Second))
	return nil
}
