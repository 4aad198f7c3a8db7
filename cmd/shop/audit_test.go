package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/pg"
)

// TestAudit is the command, beside a shop that runs and without one.
func TestAudit(t *testing.T) {
	t.Parallel()
	p := newProcess(t, map[string]string{"SHOP_DEMO_PRODUCTS": "10"})
	p.signUp("jieun@example.com")

	t.Run("CleanBooksBalance", func(t *testing.T) {
		out, code := p.run("audit", "--full")
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "The books balance.")
		require.NotContains(t, out, "wrong")
		require.NotContains(t, out, "not known")

		out, code = p.run("audit", "--json")
		require.Equal(t, 0, code, out)
		var report books.Report
		require.NoError(t, json.Unmarshal([]byte(out), &report))
		require.True(t, report.Balanced)
		since := 0
		for _, l := range report.Items {
			if l.Since != nil {
				since++
			}
		}
		require.Positive(t, since, "the audit before has left checkpoints")
	})

	admin := p.signIn("admin@shop.test", adminPassword)
	t.Run("ViolationsAreNamed", func(t *testing.T) {
		conn := p.embedded()
		for _, c := range []struct{ invariant, break_, mend string }{
			{"queue.rooms.gates", `UPDATE queue.rooms SET name = 'elsewhere'`, `UPDATE queue.rooms SET name = 'main'`},
			{"accounts.accounts.events", `UPDATE accounts.accounts SET version = version + 1`, `UPDATE accounts.accounts SET version = version - 1`},
			{"platform.leases.end", `INSERT INTO platform.leases VALUES ('planted', 'nobody', 1, 'infinity')`, `DELETE FROM platform.leases WHERE name = 'planted'`},
		} {
			_, err := conn.Exec(t.Context(), c.break_)
			require.NoError(t, err)
			out, code := p.run("audit")
			require.Equal(t, 1, code, out)
			require.Contains(t, out, " WRONG: "+c.invariant+"\n")
			require.Contains(t, out, "shop: the books do not balance: 1 of ")
			_, err = conn.Exec(t.Context(), c.mend)
			require.NoError(t, err)
			out, code = p.run("audit")
			require.Equal(t, 0, code, out)
		}
	})

	t.Run("ManagersSeeTheSame", func(t *testing.T) {
		var shown books.Report
		require.NoError(t, json.Unmarshal([]byte(admin.want(200, "GET", "/admin/audit", nil).Text), &shown))
		require.True(t, shown.Balanced)
		out, _ := p.run("audit", "--json")
		var printed books.Report
		require.NoError(t, json.Unmarshal([]byte(out), &printed))
		ids := func(r books.Report) (ids []string) {
			for _, l := range r.Items {
				ids = append(ids, l.ID+": "+l.Says)
			}
			return ids
		}
		require.Equal(t, ids(printed), ids(shown))
	})

	t.Run("WhatCannotBeReadIsNotSound", func(t *testing.T) {
		conn := p.embedded()
		_, err := conn.Exec(t.Context(), `ALTER TABLE queue.audit_log RENAME TO gone`)
		require.NoError(t, err)
		out, code := p.run("audit")
		require.Equal(t, 1, code)
		require.Contains(t, out, "NOT KNOWN: queue.rooms.log\n")
		require.Contains(t, out, "shop: it is not known whether the books balance: ")
		_, err = conn.Exec(t.Context(), `ALTER TABLE queue.gone RENAME TO audit_log`)
		require.NoError(t, err)
	})

	t.Run("WithoutTheShop", func(t *testing.T) {
		p.stop()
		before, err := os.ReadFile(filepath.Join(p.env["SHOP_DATA_DIR"], "toss.journal"))
		require.NoError(t, err)
		out, code := p.run("audit")
		require.Equal(t, 0, code, out)
		after, err := os.ReadFile(filepath.Join(p.env["SHOP_DATA_DIR"], "toss.journal"))
		require.NoError(t, err)
		require.Equal(t, before, after, "an audit changes nothing")
	})

	t.Run("ADatabaseThatIsNotThereIsNamed", func(t *testing.T) {
		for _, flags := range [][]string{
			{"--database-url=postgres://shop:hidden@127.0.0.1:1/shop"},
			{"--database-url=postgres://shop:hidden@127.0.0.1:1/shop", "--no-migrate"},
		} {
			out, code := p.run(append([]string{"audit"}, flags...)...)
			require.Equal(t, 1, code)
			require.Regexp(t, `^shop: the books could not be read: the database at postgres://shop:xxxxx@127\.0\.0\.1:1/shop cannot be reached: [^\n]*connection refused\n$`, out)
		}
	})
}

// embedded is a connection to the database of the shop that runs.
func (p *process) embedded() *pgx.Conn {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.env["SHOP_DATA_DIR"], "running.json"))
	require.NoError(p.t, err)
	var l loan
	require.NoError(p.t, json.Unmarshal(b, &l))
	conn, err := pgx.Connect(p.t.Context(), l.DatabaseURL)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// auditorAt wires the shop over a database as the command does, and starts nothing of it.
func auditorAt(t *testing.T, c config.Config, address string) *books.Auditor {
	t.Helper()
	c.DatabaseURL, c.DataDir = address, ""
	var databases *pg.Databases
	var auditor *books.Auditor
	app := fx.New(wire(c, slog.New(slog.NewTextHandler(io.Discard, nil))), fx.Populate(&databases, &auditor))
	require.NoError(t, app.Err())
	t.Cleanup(databases.Close)
	return auditor
}

// TestBooks holds the invariants of the whole shop: that each module has some, and that each of them sees what it is for.
func TestBooks(t *testing.T) {
	t.Parallel()
	shop := newInProcess(t)
	trade(t, newStage(t, shop))
	shop.stop()
	letTimePass(t, shop)
	shop.pool.Close()
	at := copies(t, shop.config.DatabaseURL)
	invariants := auditorAt(t, shop.config, at(t)).Invariants()

	t.Run("EachModuleHandsInSome", func(t *testing.T) {
		for _, m := range append([]string{pg.Platform}, config.Modules...) {
			require.True(t, slices.ContainsFunc(invariants, func(i books.Invariant) bool { return i.Module == m }), m)
		}
	})

	t.Run("TheyAreWellFormed", func(t *testing.T) {
		says := map[string]string{}
		for _, i := range invariants {
			require.Regexp(t, regexp.MustCompile(`^[a-z][a-z_]*(\.[a-z][a-z_]*)+$`), i.ID())
			require.Contains(t, append([]string{pg.Platform, "bus"}, config.Modules...), i.Module)
			require.Regexp(t, regexp.MustCompile(`^[^\s].{20,160}[^.\s]$`), i.Says, "%s: a sentence in a line, without a full stop", i.ID())
			key := i.Module + ": " + i.Says
			require.Empty(t, says[key], "%s and %s say the same", i.ID(), says[key])
			says[key] = i.ID()
		}
	})

	t.Run("TheyHold", func(t *testing.T) {
		for _, full := range []bool{true, false} {
			report := books.Audit(t.Context(), invariants, books.Options{Full: full, Pause: atOnce})
			require.Empty(t, against(report))
			require.True(t, report.Balanced)
		}
	})

	t.Run("EachSeesWhatItIsFor", func(t *testing.T) {
		known := map[string]bool{}
		for _, i := range invariants {
			known[i.ID()] = true
			t.Run(i.ID(), func(t *testing.T) {
				sql := violations[i.ID()]
				require.NotEmpty(t, sql, "say in violations_test.go how it is broken")
				address := at(t)
				conn, err := pgx.Connect(t.Context(), address)
				require.NoError(t, err)
				_, err = conn.Exec(t.Context(), sql)
				require.NoError(t, err)
				require.NoError(t, conn.Close(t.Context()))

				broken := auditorAt(t, shop.config, address).Invariants()
				n := slices.IndexFunc(broken, func(b books.Invariant) bool { return b.ID() == i.ID() })
				report := books.Audit(t.Context(), broken[n:n+1], books.Options{Pause: atOnce})
				require.NoError(t, report.Items[0].Err)
				require.Equal(t, books.Broken, report.Items[0].State)
				for _, m := range report.Items[0].Wrong {
					require.NotEmpty(t, m.Subject)
					require.NotEmpty(t, m.Detail)
				}
			})
		}
		for id := range violations {
			require.True(t, known[id], "%s is broken here, and no module states it", id)
		}
	})
}

func atOnce(context.Context) error { return nil }

// against is what a report has against the books, for people.
func against(r books.Report) (all []string) {
	for _, l := range r.Items {
		for _, m := range l.Wrong {
			all = append(all, l.ID+": "+m.Subject+": "+m.Detail)
		}
		if l.Err != nil {
			all = append(all, l.Err.Error())
		}
	}
	return all
}

// copies returns a function that makes a copy of a database into which nobody is connected.
func copies(t *testing.T, address string) func(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	original := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	server := u.String()
	return func(t *testing.T) string {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), server)
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close(context.Background())) }()
		name := "copy_" + strings.ReplaceAll(uuid.NewString(), "-", "")
		_, err = conn.Exec(t.Context(), `CREATE DATABASE `+name+` TEMPLATE `+pgx.Identifier{original}.Sanitize()+` STRATEGY file_copy`)
		require.NoError(t, err)
		copied := *u
		copied.Path = "/" + name
		return copied.String()
	}
}

// trade makes an order of each kind, and everything else that the books tell of, and waits until every module has heard of it.
func trade(t *testing.T, s *stage) {
	t.Helper()
	cancel := func(o order) {
		s.want(t, 200, o.by.Access, "POST", "/v1/orders/"+o.id+"/cancel", map[string]any{"reason": "changed my mind"}, "Idempotency-Key", "cancel")
	}
	s.placed(t)
	s.shipped(t)
	bought := s.delivered(t)
	s.want(t, 200, bought.by.Access, "POST", "/v1/orders/"+bought.id+"/receipt", nil)
	s.want(t, 201, s.boss.Access, "POST", "/admin/accounts/"+bought.by.ID+"/points", map[string]any{"points": 500, "reason": "a late parcel"}, "Idempotency-Key", "grant")
	cancel(s.placed(t))
	cancel(s.paid(t))
	s.preordered(t)
	campaign := s.newCampaign(t)
	for range 3 {
		s.want(t, 201, s.shopper(t).Access, "POST", "/v1/coupons/"+campaign+"/claims", nil)
	}
	s.reduced(t)
	cancel(s.reduced(t))
	o := s.paid(t)
	s.want(t, 201, o.by.Access, "POST", "/v1/me/addresses", map[string]any{
		"alias": "회사", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524", "line1": "세종대로 110", "is_default": true,
	})
	s.want(t, 204, s.shopper(t).Access, "DELETE", "/v1/me", nil)

	deadline, tick := time.NewTimer(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !quiet(t, s) {
		select {
		case <-tick.C:
		case <-deadline.C:
			require.FailNow(t, "the modules have not heard of everything")
		}
	}
}

// letTimePass makes everything two minutes older: what the modules say of each other is compared once it is at rest.
func letTimePass(t *testing.T, s *inProcess) {
	t.Helper()
	statements := `UPDATE ordering.orders SET created_at = created_at - interval '2 minutes', updated_at = updated_at - interval '2 minutes';`
	for _, m := range config.Modules {
		statements += `UPDATE ` + m + `.outbox SET occurred_at = occurred_at - interval '2 minutes', published_at = published_at - interval '2 minutes';`
	}
	_, err := s.pool.Exec(t.Context(), statements)
	require.NoError(t, err)
}

// quiet tells whether every event has been published and heard, and what it asks for is done.
func quiet(t *testing.T, s *stage) bool {
	t.Helper()
	var bus struct {
		Items []struct {
			Unpublished int64
			Positions   []struct{ Lag int64 }
		}
	}
	require.NoError(t, json.Unmarshal(s.want(t, 200, s.boss.Access, "GET", "/admin/bus", nil).Body, &bus))
	for _, m := range bus.Items {
		if m.Unpublished > 0 || slices.ContainsFunc(m.Positions, func(p struct{ Lag int64 }) bool { return p.Lag > 0 }) {
			return false
		}
	}
	var asked int
	err := s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM catalog.settlements) + (SELECT count(*) FROM accounts.point_settlements)
		+ (SELECT count(*) FROM coupons.settlements) + (SELECT count(*) FROM coupons.newcomers) + (SELECT count(*) FROM accounts.tier_reviews WHERE due_at <= now())`).Scan(&asked)
	require.NoError(t, err)
	return asked == 0
}
