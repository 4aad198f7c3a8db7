package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const (
	recoveryWithin = 90 * time.Second
	mostShown      = 20
)

// compare waits until the shop is at rest, and fails unless it is then as it told to be. Before each look it has the shop's life seen to.
func (w *world) compare(d *death, alive func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), recoveryWithin)
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	m := &manager{w.load.managers[0].visitor}
	m.hasty = true
	if w.load.control {
		_, _ = m.ask(request{op: "mend", method: "DELETE", path: w.load.toss + "/toss/control/faults"})
	}
	m.heal()
	defer func() { require.NoError(w.t, w.holdTime(false)) }()
	var found findings
	for resting := false; !resting && ctx.Err() == nil; {
		alive()
		require.NoError(w.t, w.passTime(w.t.Context()))
		require.NoError(w.t, w.holdTime(true))
		w.deposit(m)
		m.tidy()
		var err error
		found, err = w.look()
		require.NoError(w.t, err)
		if len(found.restless)+len(found.wrong) == 0 {
			found.wrong = m.audit()
		}
		if resting = len(found.restless)+len(found.wrong) == 0 && !w.p.ended(); resting {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	d.recovery, d.told, d.found = time.Since(w.started), found.told, found.found
	w.load.mu.Lock()
	found.wrong = append(found.wrong, w.load.complaints...)
	w.load.complaints = nil
	w.load.mu.Unlock()
	if len(found.wrong)+len(found.restless) > 0 {
		w.t.Errorf("after %s@%d, %s:\nwrong:\n%s\nnot at rest:\n%s", d.point, d.hits, w.grounds, w.shown(found.wrong), w.shown(found.restless))
	}
}

// audit is what the shop's own audit finds wrong.
func (m *manager) audit() (wrong []string) {
	for _, i := range m.askOnce("audit", "GET", "/admin/audit").items() {
		if i["state"] == "wrong" {
			wrong = append(wrong, fmt.Sprintf("the audit: %v", i))
		}
	}
	return wrong
}

// deposit pays into the accounts that somebody was given and nobody paid into: the order had no answer yet when its buyer tried.
func (w *world) deposit(m *manager) {
	rows, err := w.db.Query(w.t.Context(), `SELECT order_number FROM payments.payments WHERE state = 'awaiting_deposit' LIMIT 20`)
	require.NoError(w.t, err)
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	for _, number := range numbers {
		_, _ = m.ask(request{op: "deposit", method: "POST", path: w.load.toss + "/toss/control/deposits", body: map[string]any{"orderId": number}})
	}
}

// shown are the first findings, each with what the crowd was told of the order or key that it names.
func (w *world) shown(findings []string) string {
	var b strings.Builder
	for i, f := range findings {
		if i == mostShown {
			fmt.Fprintf(&b, "… and %d more\n", len(findings)-i)
			break
		}
		fmt.Fprintf(&b, "- %s\n", f)
		if i > 2 {
			continue
		}
		if _, id, ok := strings.Cut(f, `"trace_id":"`); ok {
			for line := range strings.Lines(w.before.failures() + w.p.log.failures()) {
				if strings.Contains(line, id[:32]) {
					b.WriteString("    " + line)
				}
			}
		}
		lines := 0
		for _, a := range w.load.journal.all() {
			if lines < mostShown && (a.Key != "" && strings.Contains(f, a.Key) || a.Subject != "" && strings.Contains(f, a.Subject) || a.text("id") != "" && strings.Contains(f, a.text("id"))) {
				lines++
				fmt.Fprintf(&b, "    %s\n", a)
			}
		}
	}
	return b.String()
}

// findings are what a look saw.
type findings struct {
	restless    []string // work that is left to do
	wrong       []string
	told, found int // orders
}

// look compares everything at one instant.
func (w *world) look() (f findings, err error) {
	taken, err := readEmulator(w.toss)
	if err != nil {
		return f, err
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(w.t.Context(), w.db, options, func(tx pgx.Tx) error {
		if f.restless, err = ask(w.t.Context(), tx, w.leftToDo()); err != nil || len(f.restless) > 0 {
			return err
		}
		if f.wrong, err = ask(w.t.Context(), tx, invariants); err != nil {
			return err
		}
		k, err := readRecords(w.t.Context(), tx)
		if err != nil {
			return err
		}
		f.wrong = append(f.wrong, k.compareMoney(taken)...)
		j := newReading(k, w.load.journal.all())
		f.wrong = append(f.wrong, j.compare()...)
		f.told, f.found = len(j.placed), j.found
		return nil
	})
	return f, err
}

// ask collects what queries find, each line under the query's name.
func ask(ctx context.Context, tx pgx.Tx, queries map[string]string) (lines []string, err error) {
	for name, sql := range queries {
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, f := range found {
			lines = append(lines, name+": "+f)
		}
	}
	return lines, nil
}
