package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/sasapick/shop/internal/accounts"
)

func TestSignUp(t *testing.T) {
	t.Parallel()

	t.Run("MakesAShopper", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		made := s.ask("POST", "/v1/users", "", `{"email":"jieun@example.com","password":"correct horse battery","name":"  김지은 "}`).Is(201)
		require.JSONEq(t, fmt.Sprintf(`{"id":%q,"email":"jieun@example.com","name":"김지은","role":"shopper","tier":"bronze","points":0,"created_at":"2026-01-02T03:04:05.678Z"}`,
			idOf(made)), made.Raw)
		require.Equal(t, []string{"accounts.registered.v1"}, s.published(idOf(made)))

		account, err := s.service.Account(t.Context(), accounts.AccountInput{AccountID: idOf(made)})
		require.NoError(t, err)
		require.Equal(t, "shopper", account.Role)
		_, err = s.service.Account(t.Context(), accounts.AccountInput{AccountID: uuid.New()})
		require.ErrorIs(t, err, accounts.ErrNoAccount)
	})

	t.Run("RoleIsNeverTakenFromTheBody", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		for _, body := range []string{
			`{"email":"eve@example.com","password":"correct horse battery","name":"Eve","role":"admin"}`,
			`{"email":"eve@example.com","password":"correct horse battery","name":"Eve","Role":"admin"}`,
			`{"email":"eve@example.com","password":"correct horse battery","name":"Eve","account":{"role":"admin"}}`,
		} {
			s.ask("POST", "/v1/users", "", body).Says(400, "request.unknown_field")
		}
		_, own := s.shopper("eve@example.com")
		s.ask("PATCH", "/v1/me", own.Access, `{"name":"Eve","role":"admin"}`).Says(400, "request.unknown_field")
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.accounts WHERE role <> 'shopper'`))
		s.ask("GET", "/admin/accounts", own.Access, nil).Says(403, "auth.forbidden")
	})

	t.Run("OneEmailMakesOneAccountUnderConcurrency", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		spellings := []string{"jieun@example.com", "JIEUN@example.com", "jieun@EXAMPLE.com", " jieun@example.com "}
		counts := statuses(together(20, func(i int) answer {
			return s.ask("POST", "/v1/users", "", map[string]string{"email": spellings[i%len(spellings)], "password": password, "name": "김지은"})
		}))
		require.Equal(t, map[int]int{201: 1, 409: 19}, counts)
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.accounts`))
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.outbox`))
		s.ask("POST", "/v1/users", "", map[string]string{"email": spellings[1], "password": password, "name": "김지은"}).Says(409, "accounts.email_taken")
	})

	t.Run("HangulIsOneHoweverItIsTyped", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		composed, decomposed := "지은@example.com", norm.NFD.String("지은@example.com")
		require.NotEqual(t, composed, decomposed)
		s.ask("POST", "/v1/users", "", map[string]string{"email": decomposed, "password": norm.NFD.String("비밀번호 비밀번호"), "name": "지은"}).Is(201)
		s.ask("POST", "/v1/users", "", map[string]string{"email": composed, "password": password, "name": "지은"}).Says(409, "accounts.email_taken")
		s.ask("POST", "/v1/sessions", "", map[string]string{"email": composed, "password": "비밀번호 비밀번호"}).Is(200)
	})

	t.Run("RefusesWhatIsNotValid", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		long := strings.Repeat("가", 129)
		for pointer, body := range map[string]map[string]string{
			"no at":        {"email": "jieun", "password": password, "name": "Jieun"},
			"two ats":      {"email": "a@b@c.com", "password": password, "name": "Jieun"},
			"display name": {"email": "Jieun <jieun@example.com>", "password": password, "name": "Jieun"},
			"line break":   {"email": "jieun@example.com\r\nBcc: all@example.com", "password": password, "name": "Jieun"},
			"invisible":    {"email": "ji\u200beun@example.com", "password": password, "name": "Jieun"},
			"long email":   {"email": strings.Repeat("a", 250) + "@example.com", "password": password, "name": "Jieun"},
			"short":        {"email": "jieun@example.com", "password": "1234567", "name": "Jieun"},
			"long":         {"email": "jieun@example.com", "password": long, "name": "Jieun"},
			"blank name":   {"email": "jieun@example.com", "password": password, "name": "   "},
			"long name":    {"email": "jieun@example.com", "password": password, "name": long},
			"nul":          {"email": "jieun@example.com", "password": password, "name": "Ji\x00eun"},
			"two lines":    {"email": "jieun@example.com", "password": password, "name": "Ji\neun"},
			"no password":  {"email": "jieun@example.com", "name": "Jieun"},
		} {
			a := s.ask("POST", "/v1/users", "", body)
			require.Equal(t, 422, a.Status, "%s: %s", pointer, a.Raw)
		}
		require.Zero(t, s.count(`SELECT count(*) FROM accounts.accounts`))
	})

	t.Run("IsRateLimited", func(t *testing.T) {
		t.Parallel()
		config := generous()
		config.SignUpsPerMinutePerAddress, config.SignUpsPerMinutePerAccount = 3, 2
		s := setupWith(t, options{config: config})
		signUp := func(address, email string) answer {
			return s.askFrom(address, "POST", "/v1/users", "", map[string]string{"email": email, "password": password, "name": "Jieun"})
		}
		for i := range 3 {
			signUp("203.0.113.7:1", fmt.Sprintf("a%d@example.com", i)).Is(201)
		}
		refused := signUp("203.0.113.7:1", "b@example.com").Says(429, "accounts.too_many_tries")
		require.Equal(t, "20", refused.Header.Get("Retry-After"))
		signUp("203.0.113.8:1", "b@example.com").Is(201)
		signUp("203.0.113.9:1", "B@example.com").Says(409, "accounts.email_taken")
		signUp("203.0.113.10:1", "b@example.com").Says(429, "accounts.too_many_tries")
	})
}

func TestNothingSecretIsEverShown(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, boss := s.admin("boss@example.com")
	id, own := s.shopper("jieun@example.com")

	var seen strings.Builder
	for _, a := range []answer{
		s.ask("POST", "/v1/users", "", map[string]string{"email": "jieun@example.com", "password": password, "name": "again"}),
		s.ask("POST", "/v1/users", "", map[string]string{"email": "none", "password": password, "name": "again"}),
		s.ask("POST", "/v1/users", "", `{"email":"x@example.com","password":"`+password+`","name":"x","password2":"`+password+`"}`),
		s.ask("POST", "/v1/sessions", "", map[string]string{"email": "jieun@example.com", "password": password + "!"}),
		s.ask("GET", "/v1/me", own.Access, nil),
		s.ask("PATCH", "/v1/me", own.Access, map[string]string{"name": "지은"}),
		s.ask("POST", "/v1/me/password", own.Access, map[string]string{"current_password": password, "new_password": password + "!!"}),
		s.ask("POST", "/v1/me/password", own.Access, map[string]string{"current_password": password, "new_password": password}),
		s.ask("GET", "/admin/accounts", boss.Access, nil),
		s.ask("GET", "/admin/accounts/"+id.String(), boss.Access, nil),
		s.ask("POST", "/admin/accounts/"+id.String()+"/suspend", boss.Access, map[string]string{"reason": "bots"}),
		s.refresh(own.Refresh),
		s.ask("GET", "/.well-known/jwks.json", "", nil),
	} {
		seen.WriteString(a.Raw)
		seen.WriteString(fmt.Sprint(a.Header))
	}
	require.Contains(t, seen.String(), "jieun@example.com", "something was seen")
	require.NotEmpty(t, s.log.String())
	for _, text := range []string{seen.String(), s.log.String()} {
		require.NotContains(t, text, password)
		require.NotContains(t, text, "$argon2id$")
		require.NotContains(t, text, own.Refresh)
		require.NotContains(t, text, own.Access)
		require.NotContains(t, text, `"d":`, "the private part of a key")
	}
	require.Zero(t, s.count(`SELECT count(*) FROM accounts.outbox WHERE data::text LIKE '%jieun%' OR data::text LIKE '%argon2id%'`))
	require.Zero(t, s.count(`SELECT count(*) FROM accounts.audit_log a WHERE to_jsonb(a)::text LIKE '%jieun@%' OR to_jsonb(a)::text LIKE '%argon2id%'`))
}
