package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/pg"
)

type auditCommand struct {
	Full  bool          `help:"Look at everything again, not only at what may have changed since the last audit: after a restore, for instance."`
	JSON  bool          `name:"json" help:"Print the report as GET /admin/audit answers it."`
	Limit time.Duration `help:"How long each invariant may take. Default: 5s, and 10m with --full."`
}

// Run audits the books of a shop that runs or not. It ends with 1 unless all of them could be read and balance.
func (a auditCommand) Run(c config.Config) error {
	ctx, stop := interruptible()
	defer stop()
	report, err := a.audit(ctx, c)
	if err != nil {
		return fmt.Errorf("the books could not be read: %w", err)
	}
	if err := a.print(os.Stdout, report); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return verdict(report)
}

// audit wires the shop, and starts nothing of it: it reads, and keeps how far it has looked. The schemas must be what this release expects.
func (a auditCommand) audit(ctx context.Context, c config.Config) (books.Report, error) {
	g, err := openGround(ctx, c, true)
	if err != nil {
		return books.Report{}, err
	}
	defer g.close()
	if err := g.reach(ctx); err != nil {
		return books.Report{}, err
	}
	if g.died != nil { // its own database; another one may belong to a shop of an earlier release
		if err := g.migrate(ctx); err != nil {
			return books.Report{}, err
		}
	}
	g.config.DataDir = "" // what the running shop keeps there is its own: no second Toss emulator may open the journal
	var databases *pg.Databases
	var auditor *books.Auditor
	app := fx.New(wire(g.config, g.log), fx.Populate(&databases, &auditor))
	if err := app.Err(); err != nil {
		return books.Report{}, fmt.Errorf("wire the shop: %w", err)
	}
	defer databases.Close()
	return auditor.Audit(ctx, books.Options{Full: a.Full, Limit: a.Limit})
}

// reach says in a sentence which database does not answer.
func (g *ground) reach(ctx context.Context) error {
	addresses := map[string]string{"the database": g.config.DatabaseURL}
	for module, address := range g.config.ModuleDatabaseURLs() {
		addresses["the database of "+module] = address
	}
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		pool, err := pg.Open(ctx, pg.Config{URL: addresses[name], Name: "audit", MaxConns: 1})
		if err != nil {
			var network *net.OpError // pgx tells each address that it tried, in a line each
			if errors.As(err, &network) {
				err = network
			}
			return fmt.Errorf("%s at %s cannot be reached: %w", name, redacted(addresses[name]), err)
		}
		pool.Close()
	}
	return nil
}

func (a auditCommand) print(w io.Writer, r books.Report) error {
	if !a.JSON {
		return table(w, r)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// table is a report for people: a line for each invariant, below it what is wrong, and at the end what it comes to.
func table(out io.Writer, r books.Report) error {
	w := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BOOKS\tLOOKED AT\tTOOK\tSTATE\tWHAT MUST HOLD")
	for _, l := range r.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Module, thousands(l.Looked), time.Duration(l.TookMS)*time.Millisecond, state(l), l.Says)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for _, l := range r.Items {
		if l.State == books.Sound {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n  %s\n", strings.ToUpper(state(l)), l.ID, l.Says)
		for _, m := range l.Wrong {
			fmt.Fprintf(&b, "    %s: %s\n", m.Subject, m.Detail)
		}
		if len(l.Wrong) >= books.MostWrong {
			fmt.Fprintf(&b, "    and perhaps more: no more than %d are named\n", books.MostWrong)
		}
		if l.State == books.Unknown {
			fmt.Fprintf(&b, "    %s\n    %v\n", l.Reason, l.Err)
		}
	}
	var looked int64
	for _, l := range r.Items {
		looked += l.Looked
	}
	fmt.Fprintf(&b, "\n%d invariants, %s rows looked at in %s.", len(r.Items), thousands(looked), time.Duration(r.TookMS)*time.Millisecond)
	if r.Balanced {
		b.WriteString(" The books balance.")
	}
	_, err := fmt.Fprintln(out, b.String())
	return err
}

// state is what is known of an invariant, in a word or two.
func state(l books.Line) string {
	switch l.State {
	case books.Sound:
		return "OK"
	case books.Broken:
		return strconv.Itoa(len(l.Wrong)) + " wrong"
	}
	return "not known"
}

// verdict is the error with which a command ends that found books which do not balance.
func verdict(r books.Report) error {
	wrong, unknown, all := r.Count(books.Broken), r.Count(books.Unknown), len(r.Items)
	switch {
	case wrong > 0 && unknown > 0:
		return fmt.Errorf("the books do not balance: %d of %d invariants do not hold, and %d could not be looked at", wrong, all, unknown)
	case wrong > 0:
		return fmt.Errorf("the books do not balance: %d of %d invariants do not hold", wrong, all)
	case unknown > 0:
		return fmt.Errorf("it is not known whether the books balance: %d of %d invariants could not be looked at", unknown, all)
	case !r.Balanced:
		return errors.New("the books do not balance")
	}
	return nil
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
