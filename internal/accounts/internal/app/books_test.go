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

	"github.com/sasapick/shop/internal/accounts"
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
		checkpoint := from
		if from != "" && i.Name == "points.balance" {
			checkpoint = s.prints
		}
		found, err := i.Check(s.t.Context(), checkpoint)
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
		var bought []ordering.Change
		for i := range 60 {
			s.clock.Advance(time.Since(s.clock.Now()))
			if len(people) == 0 || random.IntN(4) == 0 {
				id, own := s.shopper(fmt.Sprintf("shopper-%d@example.com", i))
				people = append(people, person{id, own})
			}
			p := &people[random.IntN(len(people))]
			switch random.IntN(15) {
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
			case 9:
				_ = s.tryGrant(t.Context(), p.id, random.Int64N(2000)-500, uuid.NewString())
			case 10:
				c := orderOf(uuid.Must(uuid.NewV7()), p.id, 1+random.Int64N(300))
				if _, err := s.hold(c.OrderID, p.id, c.PointsWon); err == nil && random.IntN(3) > 0 {
					s.paid(c)
				}
				if random.IntN(3) == 0 {
					s.canceled(c)
				}
			case 11:
				bought = append(bought, s.buys(p.id, 1+random.Int64N(800_000)))
			case 12:
				s.setTier(boss.Access, accounts.Silver, 100_000*(1+random.Int64N(8)), 12)
				require.NoError(t, s.service.ReviewTiers(t.Context()))
			case 13, 14:
				if len(bought) > 0 {
					c, refund := bought[random.IntN(len(bought))], uuid.New()
					_, _ = s.takeBack(refund, c, 1+random.Int64N(c.ItemsWon))
					if random.IntN(2) == 0 {
						s.refused(c, refund)
					}
				}
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

func TestPointBooks(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		sql  string
		want map[string]string // what is named, by invariant
	}{
		// Original, fault 51: a balance that is read, then written, and a rollback that adds to it whatever was entered.
		"TheBalanceIsMore":           {`UPDATE accounts.point_balances SET balance = balance + 1 WHERE account_id = @account`, map[string]string{"points.balance": "account"}},
		"TheBalanceOfAnOldOneIsLess": {`UPDATE accounts.point_balances SET balance = balance - 1 WHERE account_id = @old`, map[string]string{"points.balance": "old"}},
		"AnEntryIsLost":              {`DELETE FROM accounts.point_entries WHERE account_id = @account AND kind = 'grant'`, map[string]string{"points.balance": "account"}},
		"TheBalanceIsLost":           {`DELETE FROM accounts.point_balances WHERE account_id = @account`, map[string]string{"points.balance": "account", "points.held": "account"}},
		"MoreIsHeld":                 {`UPDATE accounts.point_balances SET held = held + 1 WHERE account_id = @account`, map[string]string{"points.held": "account"}},
		"MoreIsHeldThanThereIs": {`ALTER TABLE accounts.point_balances DROP CONSTRAINT point_balances_check;
			UPDATE accounts.point_entries SET points = points - 9500 WHERE account_id = @account AND kind = 'grant';
			UPDATE accounts.point_balances SET balance = balance - 9500 WHERE account_id = @account`, map[string]string{"points.held": "account"}},
		"AHoldIsForgotten":    {`UPDATE accounts.point_holds SET state = 'released' WHERE order_id = @held`, map[string]string{"points.held": "account"}},
		"SpentWithoutAnEntry": {`DELETE FROM accounts.point_entries WHERE order_id = @used`, map[string]string{"points.balance": "account", "points.orders": "used"}},
		"SpentAndStillHeld":   {`UPDATE accounts.point_holds SET state = 'held' WHERE order_id = @used`, map[string]string{"points.held": "account", "points.orders": "used"}},
		"SpentWithoutAHold":   {`DELETE FROM accounts.point_holds WHERE order_id = @used`, map[string]string{"points.orders": "used"}},
		"NotGivenBack":        {`DELETE FROM accounts.point_entries WHERE order_id = @returned AND kind = 'return'`, map[string]string{"points.balance": "account", "points.orders": "returned"}},
		// Original, fault 38: points go back to whoever cancels.
		"GivenBackToAnother": {`UPDATE accounts.point_entries SET account_id = @old WHERE order_id = @returned AND kind = 'return'`, map[string]string{"points.balance": "account old", "points.orders": "returned"}},
		"EarnedTooMuch":      {`UPDATE accounts.point_entries SET points = points + 1 WHERE order_id = @bought`, map[string]string{"points.balance": "account", "points.orders": "bought"}},
		"EarnedTwice": {`DROP INDEX accounts.point_entries_order_idx; INSERT INTO accounts.point_entries (id, account_id, kind, points, order_id, at)
			SELECT @absent, account_id, kind, points, order_id, at FROM accounts.point_entries WHERE order_id = @bought;
			UPDATE accounts.point_balances SET balance = balance + 4000 WHERE account_id = @account`, map[string]string{"points.orders": "bought"}},
		"ASettlementWaits": {`INSERT INTO accounts.point_settlements (order_id, account_id, action, at, asked_at)
			VALUES (@used, @account, 'release', now(), now() - interval '61 seconds')`, map[string]string{"points.settled": "used"}},
		"TheTierIsTooGood":        {`UPDATE accounts.accounts SET tier = 'gold' WHERE id = @account`, map[string]string{"tiers.sum": "account"}},
		"TheTierIsTooLow":         {`UPDATE accounts.accounts SET tier = 'bronze' WHERE id = @account`, map[string]string{"tiers.sum": "account"}},
		"TakenBackWithoutAnEntry": {`DELETE FROM accounts.point_entries WHERE refund_id = @taken`, map[string]string{"points.balance": "account", "points.taken_back": "partly"}},
		"TakenBackTooMuch": {`UPDATE accounts.point_entries SET points = points - 1 WHERE refund_id = @taken;
			UPDATE accounts.point_balances SET balance = balance - 1 WHERE account_id = @account`, map[string]string{"points.taken_back": "partly"}},
		"TakenBackFromAnother": {`UPDATE accounts.point_entries SET account_id = @old WHERE refund_id = @taken`, map[string]string{"points.balance": "account old", "points.orders": "partly"}},
		"MoreIsOwed":           {`UPDATE accounts.point_take_backs SET owed = owed + 1 WHERE refund_id = @taken`, map[string]string{"points.taken_back": "partly"}},
		"ATakeBackIsLost":      {`DELETE FROM accounts.point_take_backs WHERE refund_id = @taken; UPDATE accounts.purchases SET returned_won = 0 WHERE order_id = @partly`, map[string]string{"points.taken_back": "partly"}},
		"UndoneWithoutAnEntry": {`DELETE FROM accounts.point_entries WHERE refund_id = @undone AND kind = 'undo_take_back'`, map[string]string{"points.balance": "account", "points.taken_back": "partly"}},
		"UndoneAndNotKnown":    {`UPDATE accounts.point_take_backs SET state = 'taken' WHERE refund_id = @undone; UPDATE accounts.purchases SET returned_won = returned_won + 2000 WHERE order_id = @partly`, map[string]string{"points.taken_back": "partly"}},
		"ReturnedTooMuch":      {`UPDATE accounts.purchases SET returned_won = returned_won + 1 WHERE order_id = @partly`, map[string]string{"points.taken_back": "partly"}},
		"ReturnedByNobody":     {`UPDATE accounts.purchases SET returned_won = won WHERE order_id = @bought`, map[string]string{"points.taken_back": "bought", "tiers.sum": "account"}},
		"BackMoreThanWasSpent": {`UPDATE accounts.point_entries SET points = points + 61 WHERE order_id = @refunded AND kind = 'return';
			UPDATE accounts.point_balances SET balance = balance + 61 WHERE account_id = @account`, map[string]string{"points.orders": "refunded"}},
		"BackThoughGivenUp": {`UPDATE accounts.point_holds SET state = 'released' WHERE order_id = @refunded`, map[string]string{"points.orders": "refunded"}},
		"APurchaseIsLost":   {`DELETE FROM accounts.purchases WHERE order_id = @bought`, map[string]string{"points.orders": "bought", "tiers.sum": "account"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := owned(t)
			s.admin("admin@example.com")
			ids := map[string]uuid.UUID{"old": s.rich(500), "absent": uuid.Must(uuid.NewV7())}
			for _, i := range app.Books(s.service) {
				if i.Name == "points.balance" {
					found, err := i.Check(t.Context(), "")
					require.NoError(t, err)
					s.prints = found.Through
				}
			}
			from := books.FirstID(time.Now())
			s.clock.Advance(time.Since(s.clock.Now()) + time.Millisecond)
			id := s.rich(10_000)
			ids["account"] = id
			for _, name := range []string{"held", "used", "returned", "given up"} {
				ids[name] = uuid.Must(uuid.NewV7())
				_, err := s.hold(ids[name], id, 2500)
				require.NoError(t, err)
			}
			s.paid(orderOf(ids["used"], id, 2500))
			s.paid(orderOf(ids["returned"], id, 2500))
			s.canceled(orderOf(ids["returned"], id, 2500))
			s.canceled(orderOf(ids["given up"], id, 2500))
			s.canceled(orderOf(uuid.Must(uuid.NewV7()), id, 2500)) // a tombstone
			ids["bought"] = s.buys(id, 400_000).OrderID
			require.Equal(t, accounts.Silver, s.tier(id))
			refunded := orderOf(uuid.Must(uuid.NewV7()), id, 100)
			_, err := s.hold(refunded.OrderID, id, 100)
			require.NoError(t, err)
			s.paid(refunded)
			s.refunded(refunded, uuid.New(), 40)
			partly := s.buys(id, 10_000) // earns 150
			ids["refunded"], ids["partly"], ids["taken"], ids["undone"] = refunded.OrderID, partly.OrderID, uuid.New(), uuid.New()
			_, err = s.takeBack(ids["taken"], partly, 4000)
			require.NoError(t, err)
			_, err = s.takeBack(ids["undone"], partly, 2000)
			require.NoError(t, err)
			s.refused(partly, ids["undone"])
			require.NoError(t, s.service.ReviewTiers(t.Context()))
			require.Equal(t, points{11_530, 2500}, s.points(id))
			s.clock.Advance(2 * time.Minute)
			require.Empty(t, s.looked(""))
			require.Empty(t, s.looked(from.String()))

			sql := c.sql
			for name, id := range ids {
				sql = strings.ReplaceAll(sql, "@"+name, "'"+id.String()+"'")
			}
			_, err = s.pool.Exec(t.Context(), sql)
			require.NoError(t, err)
			want := map[string][]string{}
			for invariant, what := range c.want {
				for name := range strings.FieldsSeq(what) {
					want[invariant] = append(want[invariant], ids[name].String())
				}
				slices.Sort(want[invariant])
			}
			require.Equal(t, want, s.looked(from.String()))
			require.Equal(t, want, s.looked(""))
		})
	}

	t.Run("AReviewMayBeAMinuteLate", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		s.admin("admin@example.com")
		id, refund := s.rich(0), uuid.New()
		c := s.buys(id, 400_000)
		for _, change := range []func(){
			func() { _, err := s.takeBack(refund, c, 200_000); require.NoError(t, err) },
			func() { s.refused(c, refund) },
		} {
			s.clock.Advance(time.Hour)
			change()
			require.Empty(t, s.looked(""))
			s.clock.Advance(61 * time.Second)
			require.Equal(t, map[string][]string{"tiers.sum": {id.String()}}, s.looked(""))
			require.NoError(t, s.service.ReviewTiers(t.Context()))
			require.Empty(t, s.looked(""))
		}
	})

	t.Run("ATierMayBeADayLate", func(t *testing.T) {
		t.Parallel()

		s := owned(t)
		s.admin("admin@example.com")
		id := s.rich(0)
		s.buys(id, 400_000)
		s.clock.Advance(365*24*time.Hour + time.Hour)
		require.NotContains(t, s.looked(""), "tiers.sum")
		s.clock.Advance(24 * time.Hour)
		require.Equal(t, []string{id.String()}, s.looked(books.FirstID(time.Now().Add(time.Hour)).String())["tiers.sum"], "however long ago it changed")
		require.NoError(t, s.service.ReviewTiers(t.Context()))
		require.NotContains(t, s.looked(""), "tiers.sum")
	})
}
