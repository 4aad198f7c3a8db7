package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/ordering"
)

func TestMe(t *testing.T) {
	t.Parallel()

	t.Run("ShowsAndRenames", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		a := s.ask("GET", "/v1/me", own.Access, nil).Is(200)
		require.Equal(t, id, idOf(a))
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		s.ask("PATCH", "/v1/me", own.Access, map[string]string{"name": " Jieun Kim "}).Is(200)
		require.Equal(t, "Jieun Kim", s.ask("GET", "/v1/me", own.Access, nil).Body["name"])
		s.ask("PATCH", "/v1/me", own.Access, map[string]string{"name": "  "}).Says(422, "request.invalid")
		s.ask("GET", "/v1/me", "", nil).Says(401, "auth.no_token")
	})

	t.Run("APasswordIsChangedByWhoKnowsIt", func(t *testing.T) {
		t.Parallel()
		config := generous()
		config.SignInsPerMinutePerAccount = 4
		s := setupWith(t, options{config: config})
		_, own := s.shopper("jieun@example.com")
		change := func(current, new string) answer {
			return s.ask("POST", "/v1/me/password", own.Access, map[string]string{"current_password": current, "new_password": new})
		}
		change("wrong horse battery", "staple battery horse").Says(401, "accounts.bad_credentials")
		change(password, "short").Says(422, "request.invalid")
		change(password, "staple battery horse").Is(204)
		change(password, "one more password").Says(401, "accounts.bad_credentials")
		change("staple battery horse", password).Is(204)
		refused := change(password, "one more password").Says(429, "accounts.too_many_tries")
		require.NotEmpty(t, refused.Header.Get("Retry-After"))
		s.signIn("jieun@example.com")
	})

	t.Run("OneOfTwoChangesWins", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		counts := statuses(together(6, func(i int) answer {
			return s.ask("POST", "/v1/me/password", own.Access, map[string]string{"current_password": password, "new_password": "new password " + string(rune('a'+i))})
		}))
		require.Equal(t, map[int]int{204: 1, 401: 5}, counts)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("ErasesWhatNamesThePerson", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		s.ask("POST", "/v1/me/addresses", own.Access, home()).Is(201)
		s.hear(envelope(ordering.Paid{Change: order(id)}))
		s.ask("DELETE", "/v1/me", own.Access, nil).Is(204)

		for _, table := range []string{"accounts", "addresses", "notifications", "sessions", "refresh_tokens", "outbox", "audit_log"} {
			require.Zero(t, s.count(`SELECT count(*) FROM accounts.`+table+` t
				WHERE to_jsonb(t)::text ~ 'jieun|김지은|세종대로|1234-5678|argon2id|SASA-1'`), table)
		}
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.sessions`))
		require.Equal(t, []string{"accounts.registered.v1", "accounts.closed.v1"}, s.published(id))
		_, err := s.service.Account(t.Context(), accounts.AccountInput{AccountID: id})
		require.ErrorIs(t, err, accounts.ErrNoAccount)

		s.ask("POST", "/v1/sessions", "", map[string]string{"email": "jieun@example.com", "password": password}).Says(401, "accounts.bad_credentials")
		again, _ := s.shopper("jieun@example.com")
		require.NotEqual(t, id, again, "the email is free, the account is not the same")
		require.Empty(t, itemsOf[any](s.ask("GET", "/v1/me/addresses", s.signIn("jieun@example.com").Access, nil)))
	})

	t.Run("ATokenThatIsNotYetRevokedElsewhereFindsNobody", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		other := s.another()
		_, own := s.shopper("jieun@example.com")
		require.True(t, other.lives(own.Access))
		s.ask("DELETE", "/v1/me", own.Access, nil).Is(204)
		for _, path := range []string{"/v1/me", "/v1/me/password"} {
			method, body := "GET", any(nil)
			if path != "/v1/me" {
				method, body = "POST", map[string]string{"current_password": password, "new_password": password}
			}
			other.ask(method, path, own.Access, body).Says(401, "auth.bad_token")
		}
		other.ask("PATCH", "/v1/me", own.Access, `{"name":"Jieun"}`).Says(401, "auth.bad_token")
		other.ask("DELETE", "/v1/me", own.Access, nil).Says(401, "auth.bad_token")
		other.ask("POST", "/v1/me/addresses", own.Access, home()).Says(401, "auth.bad_token")
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.addresses`))
	})

	t.Run("HappensOnce", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		counts := statuses(together(8, func(int) answer { return s.ask("DELETE", "/v1/me", own.Access, nil) }))
		require.Equal(t, map[int]int{204: 1, 401: 7}, counts)
		require.Len(t, s.published(id), 2)
	})

	// A closing frees the email, which locks the account's row against everyone who refers to it, while they hold what it
	// wants to delete. Nobody may wait for each other.
	t.Run("DoesNotDeadlockWithWhatItErases", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		for range 10 {
			id, own := s.shopper("jieun@example.com")
			second := s.signIn("jieun@example.com")
			paid := envelope(ordering.Paid{Change: order(id)})
			for i, a := range together(6, func(i int) answer {
				switch i {
				case 0:
					return s.ask("DELETE", "/v1/me", own.Access, nil)
				case 1:
					return s.ask("DELETE", "/v1/sessions/current", "", map[string]string{"refresh_token": second.Refresh})
				case 2:
					return s.refresh(second.Refresh)
				case 3:
					return s.ask("POST", "/v1/me/addresses", own.Access, home())
				case 4:
					return s.ask("POST", "/v1/sessions", "", map[string]string{"email": "jieun@example.com", "password": password})
				default:
					s.hear(paid)
					return answer{}
				}
			}) {
				require.Less(t, a.Status, 500, "%d: %s", i, a.Raw)
			}
			require.Zero(t, s.count(`SELECT count(*) FROM accounts.addresses`))
			require.Zero(t, s.count(`SELECT count(*) FROM accounts.notifications`))
			require.Zero(t, s.count(`SELECT count(*) FROM accounts.sessions`))
		}
	})
}
