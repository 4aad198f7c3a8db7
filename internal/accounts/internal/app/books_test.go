package app_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

// owned is a shop whose tables the test may break, on a clock that shows the present: the audit reads the time in ids.
func owned(t *testing.T) *shop {
	t.Helper()
	pool, err := pg.Open(t.Context(), pg.Config{URL: pgtest.URL(t), Name: "accounts"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return instance(t, pool, clock.NewManual(time.Now()), options{config: generous()})
}

// looked is what each invariant finds wrong with what is younger than from, or with everything.
func (s *shop) looked(from string) map[string][]string {
	s.t.Helper()
	wrong := map[string][]string{}
	for _, i := range app.Books(s.service) {
		found, err := i.Check(s.t.Context(), from)
		require.NoError(s.t, err, i.Name)
		for _, m := range found.Wrong {
			wrong[i.Name] = append(wrong[i.Name], m.Subject)
		}
		slices.Sort(wrong[i.Name])
	}
	return wrong
}

func TestBooks(t *testing.T) {
	t.Parallel()

	t.Run("BalanceAfterAnyWork", func(t *testing.T) {
		t.Parallel()

		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		s := owned(t)
		require.Empty(t, s.looked(""), "nobody has entered")
		_, boss := s.admin("admin@example.com")
		type person struct {
			id  uuid.UUID
			own tokens
		}
		var people []person
		for i := range 60 {
			s.clock.Advance(time.Since(s.clock.Now()))
			if len(people) == 0 || random.IntN(4) == 0 {
				id, own := s.shopper(fmt.Sprintf("shopper-%d@example.com", i))
				people = append(people, person{id, own})
			}
			p := &people[random.IntN(len(people))]
			switch random.IntN(9) {
			case 0:
				if a := s.refresh(p.own.Refresh); a.Status == 200 {
					a.Into(&p.own)
				}
			case 1:
				s.refresh(p.own.Refresh) // the answer is lost
			case 2:
				s.ask("DELETE", "/v1/sessions/current", p.own.Access, nil)
			case 3:
				s.ask("POST", "/v1/me/addresses", p.own.Access, map[string]any{
					"alias": "집", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524", "line1": "세종대로 110", "is_default": true,
				})
			case 4:
				s.hear(envelope(ordering.Paid{Change: order(p.id)}))
			case 5:
				s.ask("POST", "/admin/accounts/"+p.id.String()+"/suspend", boss.Access, map[string]string{"reason": "resale"})
			case 6:
				s.ask("POST", "/admin/accounts/"+p.id.String()+"/reinstate", boss.Access, nil)
			case 7:
				s.ask("PUT", "/admin/accounts/"+p.id.String()+"/role", boss.Access, map[string]string{"role": "manager"})
			case 8:
				s.ask("DELETE", "/v1/me", p.own.Access, nil)
			}
		}
		require.Empty(t, s.looked(""))
		require.Empty(t, s.looked(books.FirstID(time.Now().Add(-time.Second)).String()))
	})

	const closing = `UPDATE accounts.accounts SET state = 'closed', email = NULL, name = '', password_hash = '', closed_at = now() WHERE id = @account;`
	telling := func(id string) string {
		return `INSERT INTO accounts.notifications SELECT ` + id + `, account_id, ` + id + `, kind, params, created_at FROM accounts.notifications WHERE id = @notification;`
	}
	for name, c := range map[string]struct {
		sql  string
		want map[string]string // what is named, by invariant
	}{
		"TwoDefaults": {`DROP INDEX accounts.addresses_default_idx; INSERT INTO accounts.addresses
			SELECT @absent, account_id, alias, recipient, phone, zipcode, line1, line2, true, created_at, updated_at FROM accounts.addresses WHERE account_id = @account`, map[string]string{"addresses.default": "account"}},
		"NoTokenIsLeft": {`UPDATE accounts.refresh_tokens SET used_at = issued_at WHERE session_id = @session`, map[string]string{"sessions.chain": "session"}},
		"TheChainForks": {`DROP INDEX accounts.refresh_tokens_unused_idx; INSERT INTO accounts.refresh_tokens
			SELECT sha256(hash), session_id, issued_at, expires_at FROM accounts.refresh_tokens WHERE session_id = @session`, map[string]string{"sessions.chain": "session"}},
		"TheTokensAreLost": {`DELETE FROM accounts.refresh_tokens WHERE session_id = @session`, map[string]string{"sessions.chain": "session"}},
		// Original, fault 5: tokens outlived the end of a session, and accounts their deletion.
		"AnEndIsNoRevocation":          {`UPDATE accounts.sessions SET ended_at = now() WHERE id = @session`, map[string]string{"sessions.revoked": "session"}},
		"AClosedAccountKeepsAll":       {closing, map[string]string{"accounts.erased": "account"}},
		"AClosedAccountKeepsAnAddress": {closing + `DELETE FROM accounts.sessions WHERE account_id = @account; DELETE FROM accounts.notifications WHERE account_id = @account`, map[string]string{"accounts.erased": "account"}},
		"AClosedAccountIsTold": {closing + `DELETE FROM accounts.sessions WHERE account_id = @account; DELETE FROM accounts.addresses WHERE account_id = @account;` + telling(`@absent`) +
			`DELETE FROM accounts.notifications WHERE id = @notification; INSERT INTO accounts.inbox VALUES (@absent)`, map[string]string{"accounts.erased": "account"}},
		"AChangeWasNotTold":      {`UPDATE accounts.accounts SET version = version + 1 WHERE id = @account`, map[string]string{"accounts.events": "account"}},
		"TheSignUpWasNotTold":    {`DELETE FROM accounts.outbox WHERE key = @account`, map[string]string{"accounts.events": "account"}},
		"AnEventIsOfNoAccount":   {`INSERT INTO accounts.outbox (event_id, type, key, aggregate_version, occurred_at, data) VALUES (@absent, 'accounts.registered.v1', @absent, 1, now(), '{}')`, map[string]string{"accounts.events": "absent"}},
		"TheSameIsToldTwice":     {telling(`@absent`) + `INSERT INTO accounts.inbox VALUES (@absent)`, map[string]string{"notifications.once": "absent notification"}},
		"AnEventWasNeverTaken":   {`DELETE FROM accounts.inbox WHERE event_id = (SELECT event_id FROM accounts.notifications WHERE id = @notification)`, map[string]string{"notifications.events": "notification"}},
		"TheLastAdminIsGone":     {`UPDATE accounts.accounts SET role = 'shopper' WHERE role = 'admin'`, map[string]string{"admins.one": "admins"}},
		"TheLastAdminCannotDoIt": {`UPDATE accounts.accounts SET state = 'suspended', suspended_reason = 'by hand' WHERE role = 'admin'`, map[string]string{"admins.one": "admins"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			s.admin("admin@example.com")
			s.shopper("old@example.com")
			from := books.FirstID(time.Now())
			s.clock.Advance(time.Since(s.clock.Now()) + time.Millisecond)
			id, own := s.shopper("young@example.com")
			s.ask("POST", "/v1/me/addresses", own.Access, map[string]any{
				"alias": "집", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524", "line1": "세종대로 110", "is_default": true,
			}).Is(201)
			s.hear(envelope(ordering.Paid{Change: order(id)}))
			require.Empty(t, s.looked(""))
			require.Empty(t, s.looked(from.String()))

			ids := map[string]string{"account": id.String(), "absent": uuid.Must(uuid.NewV7()).String(), "admins": "admins"}
			for name, query := range map[string]string{
				"session":      `SELECT id FROM accounts.sessions WHERE account_id = $1`,
				"notification": `SELECT id FROM accounts.notifications WHERE account_id = $1`,
			} {
				var found uuid.UUID
				require.NoError(t, s.pool.QueryRow(t.Context(), query, id).Scan(&found))
				ids[name] = found.String()
			}
			sql := c.sql
			for name, value := range ids {
				sql = strings.ReplaceAll(sql, "@"+name, "'"+value+"'")
			}
			_, err := s.pool.Exec(t.Context(), sql)
			require.NoError(t, err)

			want := map[string][]string{}
			for invariant, what := range c.want {
				for name := range strings.FieldsSeq(what) {
					want[invariant] = append(want[invariant], ids[name])
				}
				slices.Sort(want[invariant])
			}
			require.Equal(t, want, s.looked(from.String()))
			require.Equal(t, want, s.looked(""))
		})
	}
}
