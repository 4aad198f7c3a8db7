package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
)

// TestOriginal holds the shop against the faults of authorisation and secrets in the system that it replaces. The numbers are
// those of the inventory of that system, section 8.1.
func TestOriginal(t *testing.T) {
	s := newInProcess(t)
	victim, thief := s.shopper(t), s.shopper(t)
	const nobody = ""

	t.Run("01_NoInternalRouteIsOpen", func(t *testing.T) {
		public := map[string]bool{
			"sign-up": true, "sign-in": true, "refresh-session": true, "sign-out": true, "show-key-set": true, "list-categories": true, "list-products": true,
			"suggest-products": true, "get-product": true, "get-coupon": true, "list-events": true, "get-event": true, "get-room": true, "receive-toss-webhook": true, "get-time": true,
			"list-preorders": true, "get-preorder": true,
		}
		for _, op := range s.api.Operations() {
			if op.Role == auth.None {
				require.True(t, public[op.ID], "%s %s (%s) is open to everyone; is it meant to be?", op.Method, op.Path, op.ID)
			}
		}
		for _, path := range []string{"/internal/users?username=admin", "/internal/payments/cancel", "/internal/products/reduce-stock", "/rpc/payments/Refund", "/debug/pprof/", "/metrics"} {
			require.Equal(t, 404, s.ask(t, asked{Method: "GET", Path: path}).Status, path)
			require.Equal(t, 404, s.ask(t, asked{Method: "POST", Path: path, Body: []byte(`{}`)}).Status, path)
		}
	})

	t.Run("02_AModulesNameIsNoRoute", func(t *testing.T) {
		for _, m := range modules {
			require.Equal(t, 404, s.ask(t, asked{Method: "GET", Path: "/" + m.name + "/internal/users", Token: thief.Access}).Status)
		}
	})

	t.Run("03_AForgedIdentityHeaderSaysNothing", func(t *testing.T) {
		forged := map[string]string{
			"X-User-Claims": `%7B%22userId%22%3A1%2C%22username%22%3A%22admin%22%2C%22role%22%3A%22ROLE_ADMIN%22%7D`,
			"X-User-Id":     victim.ID, "X-Role": "admin", "X-Forwarded-User": "admin",
		}
		require.Equal(t, 401, s.ask(t, asked{Method: "GET", Path: "/admin/orders", Header: forged}).Status)
		require.Equal(t, 403, s.ask(t, asked{Method: "GET", Path: "/admin/orders", Header: forged, Token: thief.Access}).Status)
		require.Equal(t, thief.ID, s.ask(t, asked{Method: "GET", Path: "/v1/me", Header: forged, Token: thief.Access}).field("id"))
	})

	t.Run("04_SignUpTakesNoRole", func(t *testing.T) {
		body := map[string]any{"email": "boss@example.com", "password": "a long password", "name": "Boss", "role": "admin"}
		require.Equal(t, "request.unknown_field", s.want(t, 400, nobody, "POST", "/v1/users", body).field("code"))
		delete(body, "role")
		require.Equal(t, "shopper", s.want(t, 201, nobody, "POST", "/v1/users", body).field("role"))
		body["email"], body["password"] = "short@example.com", "short"
		s.want(t, 422, nobody, "POST", "/v1/users", body)
	})

	t.Run("05_WhatAnAdminTakesAwayIsGoneAtOnce", func(t *testing.T) {
		admin := s.admin(t)
		manager := s.withRole(t, auth.Manager)
		s.want(t, 200, manager.Access, "GET", "/admin/orders", nil)
		s.want(t, 200, admin.Access, "PUT", "/admin/accounts/"+manager.ID+"/role", map[string]any{"role": "shopper"})
		s.want(t, 401, manager.Access, "GET", "/admin/orders", nil)

		closing := s.shopper(t)
		s.want(t, 204, closing.Access, "DELETE", "/v1/me", nil)
		s.want(t, 401, closing.Access, "GET", "/v1/me", nil)
		s.want(t, 401, nobody, "POST", "/v1/sessions", map[string]any{"email": closing.Email, "password": closing.Password})
		s.want(t, 401, nobody, "POST", "/v1/sessions/refresh", map[string]any{"refresh_token": closing.Refresh})

		lifetime := claimsOf(t, victim.Access)
		issued, err := lifetime["iat"].(interface{ Float64() (float64, error) }).Float64()
		require.NoError(t, err)
		expires, err := lifetime["exp"].(interface{ Float64() (float64, error) }).Float64()
		require.NoError(t, err)
		require.LessOrEqual(t, expires-issued, 900.0, "an access token lives for 15 minutes, not for 41 days")
	})

	t.Run("06_WhatIsAnothersIsNotThere", func(t *testing.T) {
		address := map[string]any{"alias": "집", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524", "line1": "세종대로 110", "is_default": true}
		id := s.want(t, 201, victim.Access, "POST", "/v1/me/addresses", address).field("id").(string)
		s.want(t, 404, thief.Access, "PATCH", "/v1/me/addresses/"+id, map[string]any{"line1": "Mine now"})
		s.want(t, 404, thief.Access, "DELETE", "/v1/me/addresses/"+id, nil)
	})

	t.Run("07_NobodyDeletesWhatHappened", func(t *testing.T) {
		for _, op := range s.api.Operations() {
			for _, ledger := range []string{"ledger", "movements", "points", "payment", "audit", "timeline", "orders", "notifications"} {
				if op.Method == "DELETE" {
					require.NotContains(t, op.Path, ledger, op.ID)
				}
			}
		}
	})

	t.Run("08_AnUnknownEmailLooksLikeAWrongPassword", func(t *testing.T) {
		unknown := s.want(t, 401, nobody, "POST", "/v1/sessions", map[string]any{"email": "nobody@example.com", "password": "a long password"})
		wrong := s.want(t, 401, nobody, "POST", "/v1/sessions", map[string]any{"email": victim.Email, "password": "another password"})
		for _, member := range []string{"type", "title", "status", "detail", "code"} {
			require.Equal(t, unknown.field(member), wrong.field(member))
		}
	})

	t.Run("09_TheRepositoryHoldsNoSecret", func(t *testing.T) {
		secrets := regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|(live|test)_g?sk_[A-Za-z0-9]{16,}|xox[bp]-[0-9A-Za-z-]{20,}`)
		require.Regexp(t, secrets, "live_"+"sk_0123456789abcdefghij", "the test can fail")
		out, err := exec.Command("git", "-C", "../..", "grep", "-nIE", strings.ReplaceAll(secrets.String(), `-----`, `[-]{5}`)).Output()
		if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() != 1 || err != nil && !ok {
			t.Skip("not in a git checkout: there is nothing to look through")
		}
		require.Empty(t, string(out))
	})

	// 10: nothing is published without authentication; TestCompose/NothingListensBeyondTheMachine holds the engines to it.
	t.Run("10_TheDefaultsListenOnThisMachineOnly", func(t *testing.T) {
		for name, flag := range defaults(t) {
			if strings.HasSuffix(name, "LISTEN") {
				require.Regexp(t, `^127\.0\.0\.1:`, flag, name)
			}
		}
	})

	t.Run("11_TheLogHoldsNoSecret", func(t *testing.T) {
		s.want(t, 200, victim.Access, "GET", "/v1/me", nil)
		s.want(t, 422, nobody, "POST", "/v1/users", map[string]any{"email": "x", "password": "do not log me", "name": "x"})
		log := s.log.String()
		require.Contains(t, log, "/v1/users", "requests are logged")
		for _, secret := range []string{victim.Password, victim.Access, victim.Refresh, "do not log me", adminPassword, "$argon2"} {
			require.NotContains(t, log, secret)
		}
	})
}
