package app_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts/internal/app"
	"github.com/sasapick/shop/internal/platform/auth"
)

func TestSignIn(t *testing.T) {
	t.Parallel()

	t.Run("GivesTokens", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, _ := s.shopper("jieun@example.com")
		a := s.ask("POST", "/v1/sessions", "", map[string]string{"email": " JIEUN@example.com", "password": password}).Is(200)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		var own tokens
		a.Into(&own)
		require.Equal(t, "Bearer", own.Type)
		require.Equal(t, 900, own.ExpiresIn)
		who, err := s.verifier.Verify(t.Context(), own.Access)
		require.NoError(t, err)
		require.Equal(t, id, who.AccountID)
		require.Equal(t, auth.Shopper, who.Role)

		s.clock.Advance(15 * time.Minute)
		s.ask("GET", "/v1/me", own.Access, nil).Says(401, "auth.bad_token")
	})

	// Whether an email has an account cannot be learned: not from the answer, and not from the time, because each case
	// verifies a password exactly once.
	t.Run("UnknownEmailIsAnsweredLikeAWrongPassword", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, boss := s.admin("boss@example.com")
		s.shopper("jieun@example.com")
		suspended, _ := s.shopper("suspended@example.com")
		s.ask("POST", "/admin/accounts/"+suspended.String()+"/suspend", boss.Access, `{"reason":"bots"}`).Is(200)
		_, closed := s.shopper("closed@example.com")
		s.ask("DELETE", "/v1/me", closed.Access, nil).Is(204)

		for what, body := range map[string]map[string]string{
			"wrong password": {"email": "jieun@example.com", "password": "wrong horse battery"},
			"unknown email":  {"email": "nobody@example.com", "password": password},
			"no email":       {"email": "nobody", "password": password},
			"suspended":      {"email": "suspended@example.com", "password": password},
			"closed":         {"email": "closed@example.com", "password": password},
		} {
			before := s.hashing.verified.Load()
			a := s.ask("POST", "/v1/sessions", "", body)
			require.Equal(t, int64(1), s.hashing.verified.Load()-before, what)
			var problem map[string]any
			a.Into(&problem)
			delete(problem, "trace_id")
			require.Equal(t, map[string]any{
				"type": "/problems/accounts.bad_credentials", "title": "the email or the password is wrong", "status": 401.0,
				"code": "accounts.bad_credentials", "instance": "/v1/sessions",
			}, problem, what)
		}
	})

	t.Run("IsRateLimitedPerAccountAndAddress", func(t *testing.T) {
		t.Parallel()
		config := generous()
		config.SignInsPerMinutePerAccount, config.SignInsPerMinutePerAddress = 3, 5
		s := setupWith(t, options{config: config})
		signIn := func(address, email string) answer {
			return s.askFrom(address, "POST", "/v1/sessions", "", map[string]string{"email": email, "password": "a guess"})
		}
		for i, email := range []string{"jieun@example.com", "JIEUN@example.com", " jieun@example.com"} {
			signIn(fmt.Sprintf("203.0.113.%d:1", i), email).Says(401, "accounts.bad_credentials")
		}
		refused := signIn("203.0.113.9:1", "jieun@example.com").Says(429, "accounts.too_many_tries")
		require.Equal(t, "20", refused.Header.Get("Retry-After"))
		s.clock.Advance(20 * time.Second)
		signIn("203.0.113.9:1", "jieun@example.com").Is(401)

		for i := range 5 { // one household has as many addresses as it likes
			signIn(fmt.Sprintf("[2001:db8::%d]:1", i+1), fmt.Sprintf("a%d@example.com", i)).Is(401)
		}
		signIn("[2001:db8::ffff]:1", "b@example.com").Is(429)
		signIn("[2001:db8:0:1::1]:1", "b@example.com").Is(401)
	})

	t.Run("HashesAreBoundedAndTheLineIsToo", func(t *testing.T) {
		t.Parallel()
		const waiting = 3
		atOnce := runtime.GOMAXPROCS(0)
		release := make(chan struct{})
		var running, most atomic.Int64
		s := setupWith(t, options{config: generous(), waiting: waiting, hashing: &app.Hashing{
			Hash: func(string) (string, error) { return "$argon2id$", nil },
			Verify: func(string, string) (bool, error) {
				n := running.Add(1)
				defer running.Add(-1)
				for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				<-release
				return false, nil
			},
		}})
		answers := make(chan answer)
		for i := range atOnce + waiting + 2 {
			go func() {
				answers <- s.ask("POST", "/v1/sessions", "", map[string]string{"email": fmt.Sprintf("a%d@example.com", i), "password": password})
			}()
		}
		for range 2 { // nobody else can be answered yet
			refused := <-answers
			refused.Says(503, "accounts.busy")
			require.Equal(t, "1", refused.Header.Get("Retry-After"))
		}
		close(release)
		for range atOnce + waiting {
			(<-answers).Says(401, "accounts.bad_credentials")
		}
		require.LessOrEqual(t, most.Load(), int64(atOnce))
		s.ask("POST", "/v1/sessions", "", map[string]string{"email": "a@example.com", "password": password}).Is(401)
	})

	t.Run("OneSessionMoreEndsTheOldest", func(t *testing.T) {
		t.Parallel()
		config := generous()
		config.SessionsPerAccount = 2
		s := setupWith(t, options{config: config})
		_, first := s.shopper("jieun@example.com")
		second := s.signIn("jieun@example.com")
		third := s.signIn("jieun@example.com")
		require.False(t, s.lives(first.Access))
		s.refresh(first.Refresh).Says(401, "accounts.bad_refresh_token")
		require.True(t, s.lives(second.Access))
		require.True(t, s.lives(third.Access))
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()

	refreshed := func(s *shop, token string) (next tokens) {
		s.t.Helper()
		s.refresh(token).Is(200).Into(&next)
		return next
	}

	t.Run("RotatesAtEachUse", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		seen := map[string]bool{own.Refresh: true}
		for range 5 {
			s.clock.Advance(20 * 24 * time.Hour) // each holds for 30 days of its own
			own = refreshed(s, own.Refresh)
			require.False(t, seen[own.Refresh])
			seen[own.Refresh] = true
			require.True(t, s.lives(own.Access))
		}
		s.clock.Advance(30 * 24 * time.Hour)
		s.refresh(own.Refresh).Says(401, "accounts.bad_refresh_token")
	})

	t.Run("ConcurrentUsesGetTheSameSuccessor", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		other := s.another()
		_, own := s.shopper("jieun@example.com")
		for range 10 {
			successors := map[string]bool{}
			var next tokens
			for _, a := range together(10, func(i int) answer { return []*shop{s, other}[i%2].refresh(own.Refresh) }) {
				a.Is(200).Into(&next)
				successors[next.Refresh] = true
				require.True(t, s.lives(next.Access))
			}
			require.Len(t, successors, 1)
			own = next
		}
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.refresh_tokens WHERE used_at IS NULL`))
	})

	t.Run("ALostAnswerIsGivenAgainForTenSeconds", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		next := refreshed(s, own.Refresh)
		s.clock.Advance(10 * time.Second)
		again := refreshed(s.another(), own.Refresh)
		require.Equal(t, next.Refresh, again.Refresh)
		refreshed(s, again.Refresh)
	})

	t.Run("ReuseAfterTenSecondsEndsTheFamily", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		elsewhere := s.signIn("jieun@example.com")
		next := refreshed(s, own.Refresh)
		s.clock.Advance(10*time.Second + time.Millisecond)
		s.refresh(own.Refresh).Says(401, "accounts.bad_refresh_token")
		s.refresh(next.Refresh).Says(401, "accounts.bad_refresh_token")
		require.False(t, s.lives(own.Access))
		require.False(t, s.lives(next.Access))
		require.True(t, s.lives(elsewhere.Access), "another session is another family")
		refreshed(s, elsewhere.Refresh)
		require.Contains(t, s.log.String(), "a used refresh token came back")
	})

	t.Run("OnlyThePreviousOneMayBeALostAnswer", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		last := refreshed(s, refreshed(s, own.Refresh).Refresh)
		s.refresh(own.Refresh).Says(401, "accounts.bad_refresh_token")
		s.refresh(last.Refresh).Says(401, "accounts.bad_refresh_token")
	})

	t.Run("RefusesWhatIsNoToken", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		for _, token := range []string{"x", own.Access[:200], own.Refresh + "A", own.Refresh[:42] + "!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			s.refresh(token).Says(401, "accounts.bad_refresh_token")
		}
		s.refresh("").Is(422)
		refreshed(s, own.Refresh)
	})

	t.Run("ACopyOfTheDatabaseLetsNobodyIn", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.refresh_tokens WHERE position(hash in convert_to($1, 'UTF8')) > 0`, own.Refresh))
		rows, err := s.pool.Query(t.Context(), `SELECT hash FROM accounts.refresh_tokens UNION SELECT secret FROM accounts.sessions`)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var b []byte
			require.NoError(t, rows.Scan(&b))
			s.refresh(encode(b)).Says(401, "accounts.bad_refresh_token")
		}
	})
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, byToken := s.shopper("jieun@example.com")
	byRefresh, stays := s.signIn("jieun@example.com"), s.signIn("jieun@example.com")

	s.ask("DELETE", "/v1/sessions/current", byToken.Access, nil).Is(204)
	s.ask("DELETE", "/v1/sessions/current", "", map[string]string{"refresh_token": byRefresh.Refresh}).Is(204)
	s.ask("DELETE", "/v1/sessions/current", "", map[string]string{"refresh_token": byRefresh.Refresh}).Is(204)
	for _, ended := range []tokens{byToken, byRefresh} {
		require.False(t, s.lives(ended.Access))
		s.refresh(ended.Refresh).Says(401, "accounts.bad_refresh_token")
	}
	require.True(t, s.lives(stays.Access))
	s.ask("DELETE", "/v1/sessions/current", "", nil).Says(401, "auth.no_token")
	s.ask("DELETE", "/v1/sessions/current", byToken.Access, nil).Is(401)
	s.ask("DELETE", "/v1/sessions/current", "", `{"refresh_token":"x"}`).Says(401, "accounts.bad_refresh_token")
}

// What was issued before an account changed must not outlive the change, here and in another instance.
func TestLiveTokensDie(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		change      func(s *shop, id uuid.UUID, own, boss tokens)
		refreshable bool
	}{
		"Suspended": {change: func(s *shop, id uuid.UUID, _, boss tokens) {
			s.ask("POST", "/admin/accounts/"+id.String()+"/suspend", boss.Access, `{"reason":"bots"}`).Is(200)
		}},
		"Closed": {change: func(s *shop, _ uuid.UUID, own, _ tokens) {
			s.ask("DELETE", "/v1/me", own.Access, nil).Is(204)
		}},
		"RoleChanged": {refreshable: true, change: func(s *shop, id uuid.UUID, _, boss tokens) {
			s.ask("PUT", "/admin/accounts/"+id.String()+"/role", boss.Access, `{"role":"manager"}`).Is(200)
		}},
		"PasswordReset": {change: func(s *shop, _ uuid.UUID, _, _ tokens) {
			reset(s, "jieun@example.com", password)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			other := s.another()
			_, boss := s.admin("boss@example.com")
			id, own := s.shopper("jieun@example.com")
			second := s.signIn("jieun@example.com")
			require.True(t, s.lives(own.Access))
			require.True(t, other.lives(own.Access))

			c.change(s, id, own, boss)
			other.verifier.Refresh(t.Context()) // which happens each second
			for _, at := range []*shop{s, other} {
				require.False(t, at.lives(own.Access), "not a moment longer")
				require.False(t, at.lives(second.Access))
				require.True(t, at.lives(boss.Access))
			}
			if !c.refreshable {
				s.refresh(own.Refresh).Says(401, "accounts.bad_refresh_token")
				return
			}
			var next tokens
			s.refresh(own.Refresh).Is(200).Into(&next)
			for _, at := range []*shop{s, other} {
				require.True(t, at.lives(next.Access), "what is issued after the change holds, even in the same millisecond")
			}
			who, err := s.verifier.Verify(t.Context(), next.Access)
			require.NoError(t, err)
			require.Equal(t, auth.Manager, who.Role)
		})
	}

	t.Run("PasswordChanged", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		second := s.signIn("jieun@example.com")
		s.ask("POST", "/v1/me/password", own.Access, `{"current_password":"`+password+`","new_password":"staple battery horse"}`).Is(204)
		require.True(t, s.lives(own.Access), "the session that asked goes on")
		require.False(t, s.lives(second.Access))
		s.refresh(second.Refresh).Says(401, "accounts.bad_refresh_token")
		s.refresh(own.Refresh).Is(200)
	})

	// However a suspension and an issue of tokens interleave: afterwards nothing lives.
	t.Run("NoTokenSlipsThroughASuspension", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		ctx := auth.With(context.Background(), auth.Principal{AccountID: uuid.New(), Role: auth.Admin})
		for i := range 20 {
			email := fmt.Sprintf("a%d@example.com", i)
			id, own := s.shopper(email)
			answers := together(5, func(n int) answer {
				switch n {
				case 0:
					if _, err := s.service.Suspend(ctx, id, "bots"); err != nil {
						t.Error(err)
					}
					return answer{Status: http.StatusTeapot}
				case 1, 2:
					return s.refresh(own.Refresh)
				default:
					return s.ask("POST", "/v1/sessions", "", map[string]string{"email": email, "password": password})
				}
			})
			for _, a := range answers {
				if a.Status == http.StatusOK {
					var slipped tokens
					a.Into(&slipped)
					require.False(t, s.lives(slipped.Access))
					s.refresh(slipped.Refresh).Is(401)
				}
			}
			require.Zero(t, s.count(`SELECT count(*) FROM accounts.sessions WHERE account_id = $1 AND ended_at IS NULL`, id))
		}
	})
}
