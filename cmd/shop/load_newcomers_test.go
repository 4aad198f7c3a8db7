package main

import (
	"github.com/google/uuid"
)

// welcome has people sign up, sign in and refresh their sessions, one after the other.
func (l *load) welcome() {
	for !l.stopping.Load() {
		v := &visitor{load: l}
		credentials := map[string]any{"email": uuid.NewString() + "@example.com", "password": "a long password"}
		signUp := map[string]any{"email": credentials["email"], "password": credentials["password"], "name": "김지은"}
		a, _ := v.ask(request{op: "sign up", method: "POST", path: "/v1/users", body: signUp})
		v.expect("sign up", a, 201, 409) // who had no answer has the account by now
		a, ok := v.ask(request{op: "sign in", method: "POST", path: "/v1/sessions", body: credentials})
		v.expect("sign in", a, 200)
		for range 10 {
			if !ok || l.stopping.Load() {
				break
			}
			a, ok = v.ask(request{op: "refresh", method: "POST", path: "/v1/sessions/refresh", body: map[string]any{"refresh_token": a.Answer["refresh_token"]}})
			v.expect("refresh", a, 200)
			ok = ok && a.Status == 200
		}
	}
}
