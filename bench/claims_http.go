package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

const (
	claimPath     = "/v1/coupons/"
	statementPath = "/v1/bench/coupons/" // the single statement, at a shop with --statement
	claimsPath    = "/claims"

	// campaigns that follow each other in a measurement: a person claims one coupon of each at most, so that nobody comes twice.
	campaignsOfARun = 32

	// connsOfSeveral is how many connections a module of a shop may open that shares the database with three others.
	connsOfSeveral = 5
)

type statementInput struct {
	ID uuid.UUID `path:"id"`
}

type statementOutput struct {
	Status int
	Body   struct {
		ID        uuid.UUID `json:"id"`
		CouponID  uuid.UUID `json:"coupon_id"`
		ClaimedAt time.Time `json:"claimed_at"`
	}
}

// routes puts the single statement on the API, as an operation like any other.
func (s statements) routes(api *web.API) {
	web.Register(api, web.Operation{
		ID: "claim-by-statement", Method: http.MethodPost, Path: statementPath + "{id}" + claimsPath, Tag: "bench",
		Summary: "Claim a coupon with one statement", Role: auth.Shopper, Status: http.StatusCreated,
		Also: map[int]string{http.StatusOK: "The account held it already."}, Hidden: true,
	}, func(ctx context.Context, in *statementInput) (*statementOutput, error) {
		c, err := s.claim(ctx, in.ID, auth.Must(ctx).AccountID)
		if err != nil {
			return nil, err
		}
		out := &statementOutput{Status: http.StatusCreated}
		if c.Repeated {
			out.Status = http.StatusOK
		}
		out.Body.ID, out.Body.CouponID, out.Body.ClaimedAt = c.ID, c.CampaignID, c.ClaimedAt
		return out, nil
	})
}

// claimsOverHTTP claims over connections, with a token, at a shop in another process, which is a new one for each measurement.
func (w *world) claimsOverHTTP(ctx context.Context, r *report, pools map[int]int) error {
	for _, callers := range crowds {
		ours := served{name: "the shop", path: claimPath, shops: 1}
		single := served{name: fmt.Sprintf("a statement a claim (pool of %d)", pools[callers]), path: statementPath, shops: 1, pool: pools[callers]}
		fmt.Printf("claims, over HTTP, %d connections ", callers)
		all, err := alternate(ctx, w.settings.Rounds, []thing{w.claimServed(&ours, callers), w.claimServed(&single, callers)})
		if err != nil {
			return err
		}
		r.add(table{
			id: fmt.Sprintf("claims-http-%d", callers), title: fmt.Sprintf("POST /v1/coupons/{id}/claims over HTTP, %d connections", callers),
			unit: "claims a second", series: all,
			targets: []target{aim(ours.name, single.name, all[0], all[1], 8)},
			notes:   []string{ours.outcome(), single.outcome()},
		})
	}
	return nil
}

// claimsGone asks for coupons when all are gone, half of it from those who hold one, who are given it again.
func (w *world) claimsGone(ctx context.Context, r *report) error {
	campaign, err := w.soldOut(ctx, claims{})
	if err != nil {
		return err
	}
	return w.gone(ctx, r, late{
		table: table{
			id: "claims-gone", title: fmt.Sprintf("POST /v1/coupons/{id}/claims when nothing is left, %d connections", latter),
			notes: []string{fmt.Sprintf("half of the answers are 200, to the holders of the %d coupons, and half 409, to %d others", holders, len(w.people)-holders)},
		},
		least: 0.9, path: claimPath + "{id}" + claimsPath,
		request: func(p person) []byte { return appendClaim(nil, claimPath, campaign, p.token) },
		status: func(i int) int {
			if personOf(i) < holders {
				return http.StatusOK
			}
			return http.StatusConflict
		},
	})
}

// claimsOfSeveral spreads the connections over shops that share a database and one campaign.
func (w *world) claimsOfSeveral(ctx context.Context, r *report) error {
	const callers = 256
	several := []*served{
		{name: "one process", path: claimPath, shops: 1, conns: connsOfSeveral},
		{name: "two processes", path: claimPath, shops: 2, conns: connsOfSeveral},
		{name: "four processes", path: claimPath, shops: 4, conns: connsOfSeveral},
	}
	var things []thing
	for _, s := range several {
		things = append(things, w.claimServed(s, callers))
	}
	fmt.Printf("claims, several processes, %d connections ", callers)
	all, err := alternate(ctx, w.settings.Rounds, things)
	if err != nil {
		return err
	}
	t := table{
		id: "claims-several", title: fmt.Sprintf("POST /v1/coupons/{id}/claims at several processes, %d connections", callers),
		unit: "claims a second", series: all,
		targets: []target{aim(all[1].name, all[0].name, all[1], all[0], 0.9), aim(all[2].name, all[0].name, all[2], all[0], 0.9)},
		notes: []string{fmt.Sprintf("the machine has %d cores, which the processes, PostgreSQL and the client share; each process opens at most %d connections for a module",
			r.machine.cores, connsOfSeveral)},
	}
	for _, s := range several {
		t.notes = append(t.notes, s.outcome())
	}
	r.add(t)
	return nil
}

// served is a way of claiming over HTTP.
type served struct {
	name, path string
	shops      int // processes
	pool       int // connections of the single statement; 0: the shop's own way
	conns      int // of each module; 0: as many as the shop's own

	tallies []tally
}

func (s *served) outcome() string { return outcome(s.name, claims{}.words(), s.tallies...) }

func (w *world) claimServed(s *served, callers int) thing {
	return thing{s.name, func(ctx context.Context) (sample, error) {
		if err := w.clear(ctx, claims{}); err != nil {
			return sample{}, err
		}
		campaigns := make([]uuid.UUID, campaignsOfARun)
		err := w.onDatabase(ctx, func(conn *pgxpool.Conn) (err error) {
			for i := range campaigns {
				if campaigns[i], err = (claims{}).announce(ctx, conn, plenty); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return sample{}, err
		}
		shops, err := w.startShops(ctx, s)
		defer func() {
			for _, shop := range shops {
				shop.stop()
			}
		}()
		if err != nil {
			return sample{}, err
		}
		l, promised := w.postClaims(shops, s.path, campaigns, callers)
		profiled := shops[0].profile(w.settings.Profile, fmt.Sprintf("claims over HTTP %s %d", s.name, callers), w.settings.Warm+w.settings.Run)
		found, err := l.measure(ctx, w.settings)
		if err != nil {
			return found, err
		}
		if err := profiled(); err != nil {
			return found, err
		}
		for i, campaign := range campaigns {
			t, err := w.tally(ctx, claims{}, campaign, promised(i))
			if err != nil {
				return found, err
			}
			if t != (tally{}) {
				s.tallies = append(s.tallies, t)
			}
		}
		return found, nil
	}}
}

// startShops returns those that it has started even when it fails.
func (w *world) startShops(ctx context.Context, s *served) (shops []*child, err error) {
	for range s.shops {
		arguments := []string{"shop", "--database", w.url, "--folder", w.folder, "--log", filepath.Join(w.folder, "claims.log")}
		if s.pool > 0 {
			arguments = append(arguments, "--statement", strconv.Itoa(s.pool))
		}
		if s.conns > 0 {
			arguments = append(arguments, "--conns", strconv.Itoa(s.conns))
		}
		shop, err := startChild(ctx, arguments...)
		if err != nil {
			return shops, err
		}
		shops = append(shops, shop)
		if err := w.introduce(shop.address); err != nil {
			return shops, err
		}
	}
	return shops, nil
}

// postClaims is a connection over which one person after the other claims; when all have, they go on with the next campaign. The
// function that it returns says, afterwards, how many were promised a coupon of the campaign.
func (w *world) postClaims(shops []*child, path string, campaigns []uuid.UUID, callers int) (load, func(campaign int) int64) {
	promised := make([][]int64, callers)
	l := load{callers: callers, postmaster: w.postmaster, caller: func(n int) (func(context.Context) error, func(), error) {
		conn, err := dial(shops[n%len(shops)].address)
		if err != nil {
			return nil, nil, err
		}
		mine := make([]int64, len(campaigns))
		promised[n] = mine
		next := n
		var request []byte
		return func(context.Context) error {
			campaign, person := next/len(w.people), w.people[next%len(w.people)]
			if campaign == len(campaigns) {
				return fmt.Errorf("everybody has a coupon of each of the %d campaigns", len(campaigns))
			}
			next += callers
			request = appendClaim(request[:0], path, campaigns[campaign], person.token)
			err := conn.expect(http.StatusCreated, request)
			if err == nil {
				mine[campaign]++
			}
			return err
		}, conn.close, nil
	}}
	for _, shop := range shops {
		l.server = append(l.server, shop.pid())
	}
	return l, func(campaign int) (n int64) {
		for _, mine := range promised {
			n += mine[campaign]
		}
		return n
	}
}

func appendClaim(request []byte, path string, campaign uuid.UUID, token string) []byte {
	return fmt.Appendf(request, "POST %s%s%s HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n",
		path, campaign, claimsPath, token)
}
