package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/web"
)

// public are the routes that are no operations: pages, and what operators and the emulated Toss need.
var public = []string{
	" /toss/*", "GET /", "GET /admin", "GET /assets/admin.js", "GET /assets/kit.js", "GET /assets/shop.js", "GET /assets/site.css",
	"GET /assets/wait-clock.js", "GET /assets/wait.css", "GET /assets/wait.js",
	"GET /docs", "GET /docs/docs.css", "GET /docs/docs.js", "GET /livez", "GET /media/{file}", "GET /openapi.json", "GET /paid", "GET /readyz", "GET /unpaid",
	"GET /wait/{room}", "POST /wait/{room}",
}

// TestOperations goes over every operation that the shop has, as any client from outside may, with requests that are made
// from the table of operations itself. A new operation is in it without being named here.
func TestOperations(t *testing.T) {
	shop := newInProcess(t)
	stage := newStage(t, shop)
	operations := shop.api.Operations()
	seen := coverage{}

	t.Run("EveryRouteIsKnown", func(t *testing.T) {
		byOperation := 0
		var others []string
		for _, r := range shop.api.Routes() {
			if r.Operation == nil {
				others = append(others, r.Method+" "+r.Pattern)
			} else {
				byOperation++
			}
		}
		slices.Sort(others)
		require.Equal(t, public, others, "a route that is no operation is tested by nothing here")
		require.Equal(t, len(operations), byOperation)
		for _, r := range public {
			method, path, _ := strings.Cut(r, " ")
			if method == "" || strings.Contains(path, "{") {
				continue
			}
			a := shop.ask(t, asked{Method: method, Path: path})
			require.Equal(t, 200, a.Status, r)
			require.NotEmpty(t, a.Header.Get("Content-Security-Policy"), r)
			require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), r)
		}
	})

	// The table of who may do what is for people to read: a change of it is a change of this file.
	t.Run("RolesAreAsDecided", func(t *testing.T) {
		var table strings.Builder
		for _, op := range operations {
			role := string(op.Role)
			if role == "" {
				role = "anyone"
			}
			fmt.Fprintf(&table, "%-8s %-6s %s\n", role, op.Method, op.Path)
		}
		path := filepath.Join("testdata", "roles.txt")
		if os.Getenv("SHOP_UPDATE_GOLDEN") != "" {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, []byte(table.String()), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), table.String(), "SHOP_UPDATE_GOLDEN=1 writes it")
	})

	people := map[auth.Role]person{auth.None: {}, auth.Shopper: stage.stranger, auth.Manager: stage.manager, auth.Admin: stage.admin2}
	forged := shop.forgeries(t)
	t.Run("OnlyWhoMay", func(t *testing.T) {
		each(t, operations, func(t *testing.T, op web.Operation) {
			for _, role := range append([]auth.Role{auth.None}, auth.Roles()...) {
				if role.AtLeast(op.Role) {
					who := people[role]
					if op.ID == "close-me" || op.ID == "sign-out" {
						who = shop.withRole(t, role) // it ends with the request
					}
					a := shop.ask(t, probe(op, who.Access))
					require.NoError(t, conforms(shop.api, op, a), "as %q", role)
					if op.ID == "sign-out" && role == auth.None {
						continue // a token is one of two ways to say which session
					}
					require.NotContains(t, []int{401, 403}, a.Status, "as %q: %s", role, a)
				} else {
					refuses(t, shop, op, people[role].Access)
				}
				seen.count(op, "role")
			}
			for _, name := range slices.Sorted(maps.Keys(forged)) {
				if op.Role != auth.None {
					a := refuses(t, shop, op, forged[name])
					require.Equal(t, "auth.bad_token", a.field("code"), name)
					require.Contains(t, a.Header.Get("WWW-Authenticate"), `error="invalid_token"`, name)
				} else if op.ID != "sign-out" { // nobody's token: as if there were none
					require.NotContains(t, []int{401, 403}, shop.ask(t, probe(op, forged[name])).Status, name)
				}
				seen.count(op, "token")
			}
		})
	})

	prepared := map[string]good{}
	t.Run("Succeed", func(t *testing.T) {
		each(t, operations, func(t *testing.T, op web.Operation) {
			g := stage.good(t, op)
			prepared[op.ID] = g
			a := shop.ask(t, g.request(t, op))
			require.Less(t, a.Status, 300, a)
			require.NoError(t, conforms(shop.api, op, a))
			if hasParameter(op, "header", "If-None-Match") {
				q := g.request(t, op)
				q.Header["If-None-Match"] = a.Header.Get("ETag")
				again := shop.ask(t, q)
				require.Equal(t, 304, again.Status)
				require.Empty(t, again.Body)
				require.NoError(t, conforms(shop.api, op, again))
			}
			seen.count(op, "success")
		})
	})

	// What belongs to somebody else is not there, in the same words as what is not there at all.
	t.Run("NothingOfOthers", func(t *testing.T) {
		owned := 0
		each(t, operations, func(t *testing.T, op web.Operation) {
			g := prepared[op.ID]
			if g.foreign == "" {
				return
			}
			owned++
			for _, who := range []person{stage.stranger, stage.manager, stage.boss} {
				theirs, q := g, g.request(t, op)
				q.Token = who.Access
				a := shop.ask(t, q)
				require.Equal(t, 404, a.Status, a)
				require.NoError(t, conforms(shop.api, op, a))
				theirs.as, theirs.path = who, maps.Clone(g.path)
				theirs.path[g.foreign] = uuid.NewString()
				absent := shop.ask(t, theirs.request(t, op))
				require.Equal(t, absent.Status, a.Status)
				for _, name := range []string{"code", "title", "detail"} {
					require.Equal(t, absent.field(name), a.field(name), "an id that is taken looks like one that is not")
				}
			}
			seen.count(op, "owner")
		})
		require.GreaterOrEqual(t, owned, 7)

		o := stage.authorized(t)
		for _, who := range []person{stage.stranger, stage.manager, stage.boss} {
			key := uuid.NewString()
			own := stage.newAddress(t, who)
			shop.want(t, 404, who.Access, "POST", "/v1/orders", stage.orderOf(o.address), "Idempotency-Key", key)
			shop.want(t, 404, who.Access, "POST", "/v1/payments/confirm", o.payment, "Idempotency-Key", key)
			shop.want(t, 404, who.Access, "PATCH", "/v1/orders/"+o.id+"/address", map[string]any{"address_id": own})
		}
		shop.want(t, 404, o.by.Access, "PATCH", "/v1/orders/"+o.id+"/address", map[string]any{"address_id": stage.newAddress(t, stage.stranger)})
		require.Equal(t, "awaiting_payment", shop.want(t, 200, o.by.Access, "GET", "/v1/orders/"+o.id, nil).field("state"))

		for _, op := range operations {
			if op.Method != http.MethodGet || op.Role != auth.Shopper || strings.Contains(op.Path, "{") {
				continue
			}
			a := shop.want(t, 200, stage.stranger.Access, "GET", op.Path+"?limit=100", nil)
			for _, theirs := range []string{o.id, o.number, o.address, o.by.ID, o.by.Email} {
				require.NotContains(t, string(a.Body), theirs, op.ID)
			}
		}
	})

	t.Run("RefuseBadBodies", func(t *testing.T) {
		each(t, operations, func(t *testing.T, op web.Operation) {
			g := stage.good(t, op)
			for _, c := range badBodies(t, shop.api, op, g) {
				q := g.request(t, op)
				q.Body, q.Chunked = c.body, c.chunked
				maps.Copy(q.Header, c.header)
				a := shop.ask(t, q)
				c.judge(t, shop.api, op, a)
				seen.count(op, "body")
			}
			seen.count(op, "bodies")
		})
	})

	t.Run("RefuseBadParameters", func(t *testing.T) {
		each(t, operations, func(t *testing.T, op web.Operation) {
			g := stage.good(t, op)
			other := stage.category
			if strings.HasPrefix(op.Path, "/admin/categories") {
				other = stage.product
			}
			for _, c := range badParameters(t, op, g, other) {
				q := g.request(t, op)
				if c.path != "" {
					q.Path = c.path
				}
				maps.Copy(q.Header, c.header)
				a := shop.ask(t, q)
				c.judge(t, shop.api, op, a)
				seen.count(op, "parameter")
			}
			seen.count(op, "parameters")
		})
	})

	require.Empty(t, shop.log.failures(), "something was logged as a failure of ours")
	if !t.Failed() && !filtered() {
		seen.complete(t, operations, "role", "token", "success", "bodies", "parameters")
	}
}

// filtered says whether only some subtests were asked for.
func filtered() bool {
	return slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.run=") && strings.Contains(a, "/") })
}

func each(t *testing.T, operations []web.Operation, check func(t *testing.T, op web.Operation)) {
	for _, op := range operations {
		t.Run(op.ID, func(t *testing.T) { check(t, op) })
	}
}

// coverage counts the requests that were made, by operation and kind.
type coverage map[string]map[string]int

func (c coverage) count(op web.Operation, kind string) {
	if c[op.ID] == nil {
		c[op.ID] = map[string]int{}
	}
	c[op.ID][kind]++
}

func (c coverage) complete(t *testing.T, operations []web.Operation, kinds ...string) {
	t.Helper()
	total := map[string]int{}
	for _, op := range operations {
		for _, kind := range kinds {
			require.NotZero(t, c[op.ID][kind], "%s: no %s was checked", op.ID, kind)
		}
		if bodySchema(op) != nil {
			require.Greater(t, c[op.ID]["body"], 10, op.ID)
		}
		if len(parametersOf(op, "path"))+len(parametersOf(op, "query")) > 0 {
			require.Positive(t, c[op.ID]["parameter"], op.ID)
		}
		for kind, n := range c[op.ID] {
			total[kind] += n
		}
	}
	t.Logf("%d operations: %d requests by role, %d with forged tokens, %d that succeed, %d for what is others', %d bad bodies, %d bad parameters",
		len(operations), total["role"], total["token"], total["success"], total["owner"], total["body"], total["parameter"])
}

// probe is a request that asks for nothing that could happen: its body is none, and what it names is not there.
func probe(op web.Operation, token string) asked {
	path := op.Path
	for _, p := range parametersOf(op, "path") {
		path = strings.ReplaceAll(path, "{"+p.Name+"}", uuid.NewString())
	}
	q := asked{Method: op.Method, Path: path, Token: token, Header: map[string]string{}}
	if op.Idempotent {
		q.Header["Idempotency-Key"] = uuid.NewString()
	}
	if bodySchema(op) != nil {
		q.Body = []byte("{")
	}
	return q
}

// refuses asks with a body that must not be looked at, for something that is not there, in a request that breaks every rule
// there is: none of that may be told to who may not ask.
func refuses(t *testing.T, s *inProcess, op web.Operation, token string) said {
	t.Helper()
	q := probe(op, token)
	q.Header = map[string]string{"Content-Type": "text/nonsense"}
	untouched := &untouchable{}
	q.Body, q.Stream = nil, untouched
	a := s.ask(t, q)
	require.False(t, untouched.read, "the body was read")
	want, code := 401, "auth.no_token"
	if token != "" {
		code = "auth.bad_token"
		if a.Status == 403 {
			want, code = 403, "auth.forbidden"
		}
	}
	require.Equal(t, want, a.Status, a)
	require.Equal(t, code, a.field("code"))
	if want == 401 {
		require.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer")
	}
	require.NoError(t, conforms(s.api, op, a))
	return a
}

// untouchable is a body that nobody may read.
type untouchable struct{ read bool }

func (u *untouchable) Read([]byte) (int, error) {
	u.read = true
	return 0, errors.New("this body must not be read")
}

var internals = regexp.MustCompile(`(?i)sqlstate|pgx|\bpq\b|panic|goroutine|\.go\b|/root/|/home/|/tmp/|duplicate key|violates|syntax error at|relation "|connection refused|no rows`)

// conforms says in which way an answer is not what the operation's description promises.
func conforms(api *web.API, op web.Operation, a said) error {
	if a.Status >= 500 {
		return fmt.Errorf("%s: a failure of ours: %s", op.ID, a)
	}
	response := op.Spec().Responses[fmt.Sprint(a.Status)]
	if response == nil {
		return fmt.Errorf("%s: the status is not documented: %s", op.ID, a)
	}
	mediaType, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	if a.Status >= 400 && mediaType != "application/problem+json" {
		return fmt.Errorf("%s: %q is not the type of a problem: %s", op.ID, mediaType, a)
	}
	if len(response.Content) == 0 {
		if len(a.Body) > 0 {
			return fmt.Errorf("%s: a body where none is documented: %s", op.ID, a)
		}
		return nil
	}
	content := response.Content[mediaType]
	if content == nil {
		return fmt.Errorf("%s: the type %q is not documented: %s", op.ID, mediaType, a)
	}
	if content.Schema != nil && strings.HasSuffix(mediaType, "json") && mediaType != "application/x-ndjson" {
		var body any
		if err := json.Unmarshal(a.Body, &body); err != nil {
			return fmt.Errorf("%s: %w: %s", op.ID, err, a)
		}
		var result huma.ValidateResult
		huma.Validate(api.OpenAPI().Components.Schemas, content.Schema, huma.NewPathBuffer([]byte("body"), 4), huma.ModeReadFromServer, body, &result)
		if len(result.Errors) > 0 {
			return fmt.Errorf("%s: the answer is not as its schema: %s: %s", op.ID, wrongs(result.Errors), a)
		}
	}
	if a.Status < 400 {
		return nil
	}
	var p web.Problem
	if err := json.Unmarshal(a.Body, &p); err != nil {
		return fmt.Errorf("%s: %w: %s", op.ID, err, a)
	}
	switch {
	case p.Status != a.Status || p.Type == "" || p.Title == "" || p.Code == "" || p.TraceID == "":
		return fmt.Errorf("%s: the problem is not whole: %s", op.ID, a)
	case content.Examples[p.Code] == nil:
		return fmt.Errorf("%s: the problem %s is not documented: %s", op.ID, p.Code, a)
	case internals.Match(a.Body):
		return fmt.Errorf("%s: the problem tells of internals (%q): %s", op.ID, internals.Find(a.Body), a)
	}
	return nil
}

// wrongs says what is wrong where, without the values.
func wrongs(errs []error) string {
	var all []string
	for _, err := range errs {
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			all = append(all, d.Location+" "+d.Message)
			continue
		}
		all = append(all, err.Error())
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// bodySchema is what an operation says of its body; nil where it has none, or the handler reads it itself.
func bodySchema(op web.Operation) *huma.Schema {
	if op.Spec().RequestBody == nil {
		return nil
	}
	content := op.Spec().RequestBody.Content["application/json"]
	if content == nil || op.Accepts != "" {
		return nil
	}
	return content.Schema
}

func parametersOf(op web.Operation, in string) []*huma.Param {
	var found []*huma.Param
	for _, p := range op.Spec().Parameters {
		if p.In == in {
			found = append(found, p)
		}
	}
	return found
}

func hasParameter(op web.Operation, in, name string) bool {
	return slices.ContainsFunc(parametersOf(op, in), func(p *huma.Param) bool { return strings.EqualFold(p.Name, name) })
}
