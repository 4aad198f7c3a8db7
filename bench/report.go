package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is what was found.
type report struct {
	machine  machine
	settings settings
	tables   []table
	took     time.Duration
}

// table is things that were measured by turns.
type table struct {
	id, title, unit string
	series          []*series
	targets         []target
	notes           []string
}

// target is what a ratio is to be at least; 0: it is only shown.
type target struct {
	says     string
	of, over *series
	least    float64
}

func (t target) String() string {
	middle, low, high := ratio(t.of, t.over)
	verdict := ""
	switch {
	case t.least == 0:
	case middle < t.least:
		verdict = ": FAIL"
	default:
		verdict = ": pass"
	}
	return fmt.Sprintf("%s: %.2f × (rounds %.2f to %.2f)%s", t.says, middle, low, high, verdict)
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

var columns = []string{"", "a second", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs, server", "CPU µs, PostgreSQL"}

func (t table) rows() [][]string {
	rows := [][]string{columns}
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
		rows = append(rows, []string{
			name, fmt.Sprintf("%.0f", s.rate()),
			micros(figure(s, func(x sample) time.Duration { return x.p50 })), micros(figure(s, func(x sample) time.Duration { return x.p99 })),
			micros(figure(s, func(x sample) time.Duration { return x.p999 })),
			fmt.Sprintf("%.1f", figure(s, func(x sample) float64 { return x.serverMicros })),
			fmt.Sprintf("%.1f", figure(s, func(x sample) float64 { return x.postgresMicros })),
		})
	}
	return rows
}

// text is the table for a terminal.
func (t table) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", t.title)
	for _, row := range t.rows() {
		fmt.Fprintf(&b, "  %-52s", row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(&b, "  %*s", len([]rune(columns[i+1])), cell)
		}
		b.WriteString("\n")
	}
	for _, g := range t.targets {
		fmt.Fprintf(&b, "  %s\n", g)
	}
	b.WriteString("\n")
	return b.String()
}

func (t table) lines() []string {
	var lines []string
	for _, g := range t.targets {
		lines = append(lines, g.String())
	}
	return append(lines, t.notes...)
}

// markdown is the table for the document.
func (t table) markdown(folder string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n![%s](%s/%s.svg)\n\n", t.title, t.title, folder, t.id)
	for i, row := range t.rows() {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|---:", len(row)-1) + "|\n")
		}
	}
	b.WriteString("\n")
	for _, line := range t.lines() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.String() + "\n"
}

// What stands between these in the document is the command's.
const (
	opens  = "<!-- measured: go run ./bench writes this -->\n"
	closes = "<!-- /measured -->"
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
		b.WriteString(t.markdown(filepath.Base(r.settings.Out)))
	}
	document := r.settings.Out + ".md"
	text, err := os.ReadFile(document)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the report: %w", err)
	}
	before, rest, found := strings.Cut(string(text), opens)
	_, after, closed := strings.Cut(rest, closes)
	if !found || !closed {
		before, after = string(text), "\n"
	}
	if err := os.WriteFile(document, []byte(before+opens+b.String()+closes+after), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Printf("%s and the charts in %s are written; %s in all\n", document, r.settings.Out, r.took.Round(time.Second))
	return nil
}
