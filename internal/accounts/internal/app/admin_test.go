package app_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/app"
)

func at(id uuid.UUID, rest string) string { return "/admin/accounts/" + id.String() + rest }

func TestModerate(t *testing.T) {
	t.Parallel()

	t.Run("SuspendsAndReinstates", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, boss := s.manager("manager@example.com")
		id, own := s.shopper("jieun@example.com")
		a := s.ask("POST", at(id, "/suspend"), boss.Access, `{"reason":"resale by bots"}`).Is(200)
		require.Equal(t, "suspended", a.Body["state"])
		require.Equal(t, "resale by bots", a.Body["suspended_reason"])
		s.ask("POST", at(id, "/suspend"), boss.Access, `{"reason":"again"}`).Is(200)
		require.False(t, s.lives(own.Access))

		s.ask("POST", at(id, "/reinstate"), boss.Access, nil).Is(200)
		s.ask("POST", at(id, "/reinstate"), boss.Access, nil).Is(200)
		require.False(t, s.lives(own.Access), "a session that ended stays so")
		require.True(t, s.lives(s.signIn("jieun@example.com").Access))

		require.Equal(t, []string{"accounts.registered.v1", "accounts.suspended.v1", "accounts.reinstated.v1"}, s.published(id))
		require.Equal(t, []string{"accounts.suspend", "accounts.reinstate"}, s.audited(id))
		s.ask("POST", at(uuid.New(), "/suspend"), boss.Access, `{"reason":"bots"}`).Says(404, "accounts.no_account")
	})

	t.Run("ManagersActOnShoppersOnly", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, manager := s.manager("manager@example.com")
		other, _ := s.manager("other@example.com")
		boss, bossTokens := s.admin("boss@example.com")
		shopper, own := s.shopper("jieun@example.com")
		for _, id := range []uuid.UUID{other, boss} {
			s.ask("POST", at(id, "/suspend"), manager.Access, `{"reason":"envy"}`).Says(403, "auth.forbidden")
			s.ask("POST", at(id, "/reinstate"), manager.Access, nil).Says(403, "auth.forbidden")
		}
		s.ask("PUT", at(shopper, "/role"), manager.Access, `{"role":"admin"}`).Says(403, "auth.forbidden")
		s.ask("PUT", at(shopper, "/role"), own.Access, `{"role":"admin"}`).Says(403, "auth.forbidden")
		s.ask("GET", at(boss, ""), own.Access, nil).Says(403, "auth.forbidden")
		s.ask("GET", at(boss, ""), "", nil).Says(401, "auth.no_token")
		s.ask("POST", at(other, "/suspend"), bossTokens.Access, `{"reason":"envy"}`).Is(200)
	})

	t.Run("SetsRoles", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		boss, bossTokens := s.admin("boss@example.com")
		id, _ := s.shopper("jieun@example.com")
		for _, role := range []string{"manager", "manager", "admin", "shopper"} {
			require.Equal(t, role, s.ask("PUT", at(id, "/role"), bossTokens.Access, `{"role":"`+role+`"}`).Is(200).Body["role"])
		}
		require.Equal(t, []string{"accounts.registered.v1", "accounts.role_changed.v1", "accounts.role_changed.v1", "accounts.role_changed.v1"}, s.published(id))
		require.Len(t, s.audited(id), 3)
		require.Equal(t, 3, s.count(`SELECT count(*) FROM accounts.audit_log WHERE actor_id = $1 AND action = 'accounts.set_role'`, boss))
		s.ask("PUT", at(id, "/role"), bossTokens.Access, `{"role":"owner"}`).Is(422)
	})

	t.Run("TheLastAdminStays", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		boss, own := s.admin("boss@example.com")
		refuse := func() {
			t.Helper()
			s.ask("PUT", at(boss, "/role"), own.Access, `{"role":"manager"}`).Says(409, "accounts.last_admin")
			s.ask("POST", at(boss, "/suspend"), own.Access, `{"reason":"tired"}`).Says(409, "accounts.last_admin")
			s.ask("DELETE", "/v1/me", own.Access, nil).Says(409, "accounts.last_admin")
		}
		refuse()
		second, _ := s.admin("second@example.com")
		s.ask("POST", at(second, "/suspend"), own.Access, `{"reason":"tired"}`).Is(200)
		refuse() // a suspended admin is of no use
		s.ask("PUT", at(second, "/role"), own.Access, `{"role":"shopper"}`).Is(200)
		require.True(t, s.lives(own.Access))
	})

	// Every admin leaves at once, from two instances.
	for name, leave := range map[string]func(s *shop, self uuid.UUID, own tokens) answer{
		"Closings": func(s *shop, _ uuid.UUID, own tokens) answer { return s.ask("DELETE", "/v1/me", own.Access, nil) },
		"Suspensions": func(s *shop, self uuid.UUID, own tokens) answer {
			return s.ask("POST", at(self, "/suspend"), own.Access, `{"reason":"tired"}`)
		},
		"Demotions": func(s *shop, self uuid.UUID, own tokens) answer {
			return s.ask("PUT", at(self, "/role"), own.Access, `{"role":"shopper"}`)
		},
	} {
		t.Run("TheLastAdminStaysUnderConcurrent"+name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			instances := []*shop{s, s.another()}
			ids, own := make([]uuid.UUID, 6), make([]tokens, 6)
			for i := range ids {
				ids[i], own[i] = s.admin(fmt.Sprintf("a%d@example.com", i))
			}
			for _, a := range together(len(ids), func(i int) answer {
				return leave(instances[i%2], ids[i], own[i])
			}) {
				require.Less(t, a.Status, 500, a.Raw)
			}
			require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.accounts WHERE role = 'admin' AND state = 'active'`))
		})
	}
}

func TestFindAccounts(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, boss := s.admin("boss@example.com")
	for _, email := range []string{"jieun@example.com", "jihun@example.com", "100%_sure@example.com"} {
		s.shopper(email)
	}
	jieun := idOf(s.ask("PATCH", "/v1/me", s.signIn("jieun@example.com").Access, `{"name":"Park Jieun"}`).Is(200))
	s.ask("POST", at(jieun, "/suspend"), boss.Access, `{"reason":"bots"}`).Is(200)

	find := func(query string) (emails []string) {
		t.Helper()
		for _, a := range itemsOf[app.AccountForAdmins](s.ask("GET", "/admin/accounts?"+query, boss.Access, nil)) {
			emails = append(emails, a.Email)
		}
		return emails
	}
	require.Equal(t, []string{"100%_sure@example.com", "jihun@example.com", "jieun@example.com", "boss@example.com"}, find(""))
	require.Equal(t, []string{"jihun@example.com", "jieun@example.com"}, find("q=JI"))
	require.Equal(t, []string{"jieun@example.com"}, find("q=park"))
	require.Equal(t, []string{"100%_sure@example.com"}, find("q=100%25_"))
	require.Empty(t, find("q=%25"))
	require.Equal(t, []string{"boss@example.com"}, find("role=admin"))
	require.Equal(t, []string{"jieun@example.com"}, find("state=suspended"))
	require.Empty(t, find("state=closed"))
	s.ask("GET", "/admin/accounts?role=owner", boss.Access, nil).Is(422)

	var page struct {
		Items []app.AccountForAdmins `json:"items"`
		Next  string                 `json:"next_cursor"`
	}
	s.ask("GET", "/admin/accounts?limit=3", boss.Access, nil).Is(200).Into(&page)
	require.Len(t, page.Items, 3)
	require.Equal(t, []string{"boss@example.com"}, find("limit=3&cursor="+page.Next))

	one := s.ask("GET", at(jieun, ""), boss.Access, nil).Is(200)
	require.Equal(t, "Park Jieun", one.Body["name"])
	s.ask("GET", at(uuid.New(), ""), boss.Access, nil).Says(404, "accounts.no_account")
}

func TestAdmins(t *testing.T) {
	t.Parallel()

	t.Run("TheFirstIsMadeOnce", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		instances := []*shop{s, s.another()}
		in := accounts.FirstAdminInput{Email: "admin@shop.local", Password: password}
		made := 0
		for _, first := range together(8, func(i int) accounts.FirstAdmin {
			first, err := instances[i%2].service.FirstAdmin(context.Background(), in)
			if err != nil {
				t.Error(err)
			}
			return first
		}) {
			if first.Created {
				made++
				require.Equal(t, "admin", first.Account.Role)
			}
		}
		require.Equal(t, 1, made)

		hashed := s.hashing.hashed.Load()
		again, err := s.service.FirstAdmin(t.Context(), accounts.FirstAdminInput{Email: "other@shop.local", Password: "another password"})
		require.NoError(t, err)
		require.False(t, again.Created)
		require.Equal(t, hashed, s.hashing.hashed.Load(), "each later start costs a look")
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.accounts`))
		require.True(t, s.lives(s.signIn("admin@shop.local").Access))
	})

	t.Run("AShopperDoesNotBecomeTheFirst", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.shopper("admin@shop.local")
		_, err := s.service.FirstAdmin(t.Context(), accounts.FirstAdminInput{Email: "admin@shop.local", Password: password})
		require.ErrorIs(t, err, accounts.ErrEmailTaken)
	})

	t.Run("CommandsAreWrittenDown", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.admin("boss@example.com")
		_, err := s.service.CreateAdmin(t.Context(), accounts.CreateAdminInput{Email: "BOSS@example.com", Password: password})
		require.ErrorIs(t, err, accounts.ErrEmailTaken)
		_, err = s.service.CreateAdmin(t.Context(), accounts.CreateAdminInput{Email: "two@example.com", Password: "short"})
		require.ErrorContains(t, err, "request.invalid")

		reset(s, "Boss@example.com", "staple battery horse")
		require.False(t, s.lives(own.Access))
		s.ask("POST", "/v1/sessions", "", map[string]string{"email": "boss@example.com", "password": password}).Is(401)
		s.ask("POST", "/v1/sessions", "", map[string]string{"email": "boss@example.com", "password": "staple battery horse"}).Is(200)
		_, err = s.service.ResetPassword(t.Context(), accounts.ResetPasswordInput{Email: "nobody@example.com", Password: password})
		require.ErrorIs(t, err, accounts.ErrNoAccount)

		require.Equal(t, []string{"accounts.create_admin", "accounts.reset_password"}, s.audited(id))
		require.Equal(t, []string{"accounts.registered.v1"}, s.published(id))
	})
}

func TestArgon2id(t *testing.T) {
	t.Parallel()
	hashing := app.Argon2id()
	hash, err := hashing.Hash(password)
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$`, hash, "OWASP's least: 19 MiB, two passes")
	same, err := hashing.Verify(password, hash)
	require.NoError(t, err)
	require.True(t, same)
	same, err = hashing.Verify(password+" ", hash)
	require.NoError(t, err)
	require.False(t, same)

	s := setupWith(t, options{config: generous(), hashing: &hashing})
	_, own := s.shopper("jieun@example.com")
	require.True(t, s.lives(own.Access))
	s.ask("POST", "/v1/sessions", "", map[string]string{"email": "nobody@example.com", "password": password}).Is(401)
}
