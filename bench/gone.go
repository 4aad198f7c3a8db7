package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	holders = 5_000 // who have all that there was: the first of the people
	latter  = 64    // connections of those who come when nothing is left

	// tokensASecond is more, for each core, than a server can check that has not seen any of them.
	tokensASecond = 10_000
)

// late is what is asked of a shop that has nothing left.
type late struct {
	table   table   // but for what is measured
	least   float64 // that the shop is to be beside the bare handler; 0: it is only shown
	path    string  // as chi has it
	request func(p person) []byte
	status  func(i int) int // that the i-th request is answered with
}

// goneAnswers is what the shop says when nothing is left.
type goneAnswers struct {
	Held map[uuid.UUID]answer // 200, to the accounts that have one
	Late answer               // 409, to all others
}

// gone measures what comes after the last one, beside a bare handler that checks the same tokens in the same way and sends the same bytes:
// with tokens that it has seen, and with others.
func (w *world) gone(ctx context.Context, r *report, l late) error {
	shop, err := w.startGone(ctx)
	if err != nil {
		return err
	}
	defer shop.stop()
	seen := make([][]byte, len(w.people))
	for i := range seen {
		seen[i] = l.request(w.people[personOf(i)])
	}
	answers := goneAnswers{Held: map[uuid.UUID]answer{}}
	if err := w.hearOut(shop.address, l, seen, &answers); err != nil {
		return err
	}
	encoded, err := json.Marshal(answers)
	if err != nil {
		return fmt.Errorf("keep the answers: %w", err)
	}
	file := filepath.Join(w.folder, "gone.json")
	if err := os.WriteFile(file, encoded, 0o600); err != nil {
		return fmt.Errorf("keep the answers: %w", err)
	}
	startGate := func(ctx context.Context) (*child, error) {
		return startChild(ctx, "gate", "--answers", file, "--path", l.path, "--key-id", w.keyID,
			"--key", base64.RawURLEncoding.EncodeToString(w.key.Public().(ed25519.PublicKey)))
	}
	gate, err := startGate(ctx)
	if err != nil {
		return err
	}
	defer gate.stop()
	if err := w.hearOut(gate.address, l, seen, nil); err != nil {
		return err
	}
	fresh, err := w.freshTokens(l)
	if err != nil {
		return err
	}

	fmt.Printf("%s, %d connections ", l.table.id, latter)
	all, err := alternate(ctx, w.settings.Rounds, []thing{
		w.asked(l, "the shop, tokens that it has seen", shop, nil, seen), w.asked(l, "bare chi, tokens that it has seen", gate, nil, seen),
		w.asked(l, "the shop, every token new", nil, w.startGone, fresh), w.asked(l, "bare chi, every token new", nil, startGate, fresh),
	})
	if err != nil {
		return err
	}
	t := l.table
	t.series, t.unit = all, "answers a second"
	t.targets = []target{aim("tokens seen before", "bare", all[0], all[1], l.least), aim("every token new", "bare", all[2], all[3], l.least)}
	r.add(t)
	return nil
}

// personOf lets holders and others take turns.
func personOf(i int) int { return i%2*holders + i/2%holders }

// soldOut is a giveaway of which the first of the people have all.
func (w *world) soldOut(ctx context.Context, g giveaway) (uuid.UUID, error) {
	if err := w.clear(ctx, g); err != nil {
		return uuid.Nil, err
	}
	of, err := w.announce(ctx, g, holders)
	if err != nil {
		return of, err
	}
	pool, err := w.openPool(ctx, 1)
	if err != nil {
		return of, err
	}
	defer pool.Close()
	for from := 0; from < holders; from += bulk {
		grants := make([]grant, bulk)
		for i := range grants {
			grants[i] = grantOf(of, w.people[from+i].id)
		}
		if err := insertMany(ctx, pool, g, grants); err != nil {
			return of, err
		}
	}
	return of, w.forget(ctx)
}

func (w *world) startGone(ctx context.Context) (*child, error) {
	return startChild(ctx, "shop", "--database", w.url, "--folder", w.folder, "--log", filepath.Join(w.folder, "gone.log"))
}

// hearOut sends every request once, and keeps what was answered, without what the server itself adds, in answers unless it is nil.
func (w *world) hearOut(address string, l late, requests [][]byte, answers *goneAnswers) error {
	conn, err := dial(address)
	if err != nil {
		return err
	}
	defer conn.close()
	for i, request := range requests {
		a := answer{Header: http.Header{}}
		status, body, err := conn.do(request, func(line []byte) {
			name, value, _ := strings.Cut(string(line), ": ")
			if name != "Date" && name != "Content-Length" {
				a.Header[name] = append(a.Header[name], value)
			}
		})
		if err != nil || status != l.status(i) {
			return fmt.Errorf("ask for what is gone: %d: %.300s: %w", status, body, err)
		}
		if answers == nil {
			continue
		}
		a.Body = append(a.Body, body...)
		if status == http.StatusOK {
			answers.Held[w.people[personOf(i)].id] = a
		} else {
			answers.Late = a
		}
	}
	return nil
}

// freshTokens are requests whose tokens no process has seen: enough for a measurement.
func (w *world) freshTokens(l late) ([][]byte, error) {
	cores := runtime.NumCPU()
	requests := make([][]byte, int((w.settings.Warm+w.settings.Run).Seconds()*tokensASecond)*cores)
	errs := make([]error, cores)
	var wg sync.WaitGroup
	now := time.Now().UTC()
	for n := range cores {
		wg.Go(func() {
			for i := n; i < len(requests) && errs[n] == nil; i += cores {
				p := w.people[personOf(i)]
				p.token, errs[n] = w.sign(p.id, auth.Shopper, now)
				requests[i] = l.request(p)
			}
		})
	}
	wg.Wait()
	return requests, errors.Join(errs...)
}

var errNoTokens = errors.New("all tokens have been used")

// asked sends requests to a server, or to one that is started for each measurement and sees each of them once.
func (w *world) asked(l late, name string, server *child, start func(context.Context) (*child, error), requests [][]byte) thing {
	return thing{name, func(ctx context.Context) (sample, error) {
		at := server
		if at == nil {
			var err error
			if at, err = start(ctx); err != nil {
				return sample{}, err
			}
			defer at.stop()
		}
		var next atomic.Int64
		callers := load{callers: latter, server: []int{at.pid()}, postmaster: w.postmaster, caller: func(int) (func(context.Context) error, func(), error) {
			conn, err := dial(at.address)
			if err != nil {
				return nil, nil, err
			}
			return func(context.Context) error {
				i := int(next.Add(1) - 1)
				if i >= len(requests) {
					if server == nil {
						return errNoTokens
					}
					i %= len(requests)
				}
				return conn.expect(l.status(i), requests[i])
			}, conn.close, nil
		}}
		profiled := at.profile(w.settings.Profile, l.table.id+" "+name, w.settings.Warm+w.settings.Run)
		s, err := callers.measure(ctx, w.settings)
		if err != nil {
			return s, err
		}
		return s, profiled()
	}}
}

// gateCommand is the least that can answer who comes too late: chi, the shop's own check of the token, and bytes that are there.
type gateCommand struct {
	Answers string `required:"" type:"path"`
	Path    string `required:""`
	KeyID   string `required:""`
	Key     string `required:""` // public, in base64
}

// Run serves until the input ends.
func (g gateCommand) Run(ctx context.Context) error {
	encoded, err := os.ReadFile(g.Answers)
	if err != nil {
		return fmt.Errorf("read the answers: %w", err)
	}
	var answers goneAnswers
	if err := json.Unmarshal(encoded, &answers); err != nil {
		return fmt.Errorf("read the answers: %w", err)
	}
	key, err := base64.RawURLEncoding.DecodeString(g.Key)
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	verifier := auth.NewVerifier(oneKey{auth.Key{ID: g.KeyID, Public: key}}, clock.System)
	go verifier.Run(ctx)
	router := chi.NewRouter()
	router.Post(g.Path, func(w http.ResponseWriter, r *http.Request) {
		p, err := verifier.Verify(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		a, status := answers.Late, http.StatusConflict
		if held, holds := answers.Held[p.AccountID]; holds {
			a, status = held, http.StatusOK
		}
		h := w.Header()
		for name, values := range a.Header {
			h[name] = values
		}
		w.WriteHeader(status)
		_, _ = w.Write(a.Body)
	})
	return serve(ctx, router)
}

// oneKey is where the tokens of a measurement come from. None is ever revoked.
type oneKey struct{ key auth.Key }

func (k oneKey) SigningKeys(context.Context) ([]auth.Key, error)        { return []auth.Key{k.key}, nil }
func (k oneKey) Revocations(context.Context) ([]auth.Revocation, error) { return nil, nil }
