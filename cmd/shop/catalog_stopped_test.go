package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/books"
)

// engine is how a real engine is killed and started again. A test that does so runs alone, and only where it is told how: in
// SHOP_TEST_<NAME>_KILL and SHOP_TEST_<NAME>_START, two shell commands.
type engine struct {
	t           *testing.T
	kill, start string
	dead        bool
}

func newEngine(t *testing.T, name string) *engine {
	t.Helper()
	e := &engine{t: t, kill: os.Getenv("SHOP_TEST_" + name + "_KILL"), start: os.Getenv("SHOP_TEST_" + name + "_START")}
	if e.kill == "" || e.start == "" {
		t.Skipf("SHOP_TEST_%s_KILL and SHOP_TEST_%s_START are not set", name, name)
	}
	return e
}

func (e *engine) do(command string) {
	e.t.Helper()
	out, err := exec.Command("bash", "-c", command).CombinedOutput()
	require.NoError(e.t, err, string(out))
}

func (e *engine) die() {
	e.t.Helper()
	e.dead = true
	e.do(e.kill)
}

// rise starts it unless it lives.
func (e *engine) rise() {
	e.t.Helper()
	if e.dead {
		e.do(e.start)
		e.dead = false
	}
}

// bustle is what goes on in the shops while something happens to what they stand on: shoppers look at details and lists, others order, and an
// admin at each shop changes prices, which only rise.
type bustle struct {
	*fleet
	crowd    *crowd
	products []string

	calm     atomic.Bool // all do a tenth of what they do else: an engine is starting on the same machine
	stopping atomic.Bool
	wg       sync.WaitGroup

	mu    sync.Mutex
	won   map[string]int64 // what each product costs
	done  map[string]int   // by what was asked, and where
	took  map[string][]time.Duration
	wrong []string
}

func newBustle(f *fleet) *bustle {
	f.t.Helper()
	b := &bustle{fleet: f, won: map[string]int64{}, done: map[string]int{}, took: map[string][]time.Duration{}}
	for _, w := range f.newWares("bustle", slices.Repeat([]int{20}, 30)...) {
		b.products, b.won[w.id] = append(b.products, w.id), 1_000_000
		f.boss.edit("/admin/products/"+w.id, map[string]any{"list_price_won": 100_000_000, "price_won": b.won[w.id]})
	}
	b.crowd = &crowd{fleet: f, wares: f.newWares("sold", 10_000, 10_000), buyers: f.newBuyers(4000)}
	b.shown()
	return b
}

func (b *bustle) begin() {
	seed := rand.Uint64()
	b.t.Logf("seed %d", seed)
	b.t.Cleanup(func() {
		b.stopping.Store(true)
		b.wg.Wait()
	})
	for shop := range b.shops {
		for n := range 2 {
			dice, last := rand.New(rand.NewPCG(seed, uint64(10*shop+n))), map[string]float64{}
			b.again(20*time.Millisecond, func() bool { return b.details(shop, dice, last) })
		}
		edited := 0
		b.again(100*time.Millisecond, func() bool { edited++; return b.edit(shop, b.products[(3*edited+shop)%(len(b.products)-len(b.shops))]) })
		b.again(100*time.Millisecond, func() bool { return b.order(shop) })
		for _, path := range []string{"/v1/products?category=bustle&limit=100", "/v1/products/suggest?q=%EC%9A%B4%EB%8F%99"} {
			b.again(100*time.Millisecond, func() bool { return b.lists(shop, path) })
		}
	}
}

// again does something until it says no, or all is over.
func (b *bustle) again(every time.Duration, do func() bool) {
	b.wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 0; !b.stopping.Load() && (b.calm.Load() && n%10 > 0 || do()); n++ {
			<-tick.C
		}
	})
}

// end fails unless everybody was answered as they should.
func (b *bustle) end() {
	b.t.Helper()
	b.stopping.Store(true)
	b.wg.Wait()
	for _, what := range slices.Sorted(maps.Keys(b.took)) {
		took := b.took[what]
		slices.Sort(took)
		b.t.Logf("%-16s %5d answers: median %s, p99 %s, max %s", what, len(took), took[len(took)/2].Round(10*time.Microsecond), took[len(took)*99/100].Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond))
	}
	require.Empty(b.t, b.wrong)
}

func (b *bustle) answered(what string, shop int, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[fmt.Sprint(what, " at shop ", shop)]++
	b.took[what] = append(b.took[what], time.Since(since))
}

// complain returns false.
func (b *bustle) complain(format string, args ...any) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
	return false
}

// more waits until everybody has got so many more answers, at each shop.
func (b *bustle) more(answers int, whats ...string) {
	b.t.Helper()
	b.mu.Lock()
	before := maps.Clone(b.done)
	b.mu.Unlock()
	b.shops[0].await(fmt.Sprintf("%d more answers to %s", answers, whats), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(b.t, b.wrong)
		for _, what := range whats {
			for shop := range b.shops {
				if key := fmt.Sprint(what, " at shop ", shop); b.done[key] < before[key]+answers {
					return false
				}
			}
		}
		return true
	})
}

// details looks at a product, which is never away, and never costs again what it cost before.
func (b *bustle) details(shop int, dice *rand.Rand, last map[string]float64) bool {
	id, asked := b.products[dice.IntN(len(b.products))], time.Now()
	a := b.look(shop, "/v1/products/"+id)
	won, _ := a.Body["price_won"].(float64)
	if a.Status != http.StatusOK {
		return b.complain("details at shop %d: %s", shop, a)
	}
	if won < last[id] {
		return b.complain("shop %d went back from %.0f won to %.0f", shop, last[id], won)
	}
	last[id] = won
	b.answered("details", shop, asked)
	return true
}

// edit makes a product dearer, and looks at it at the same shop. Nobody else changes this product.
func (b *bustle) edit(shop int, id string) bool {
	b.mu.Lock()
	won := b.won[id] + 1
	b.mu.Unlock()
	asked := time.Now()
	if a := b.send(shop, b.boss.token, http.MethodPatch, "/admin/products/"+id, map[string]any{"price_won": won}, "If-Match", "*"); a.Status != http.StatusOK {
		return b.complain("an edit at shop %d: %s", shop, a)
	}
	b.answered("edits", shop, asked)
	b.mu.Lock()
	b.won[id] = won
	b.mu.Unlock()
	if a := b.look(shop, "/v1/products/"+id); a.Status != http.StatusOK || a.Body["price_won"] != float64(won) {
		return b.complain("whoever set %d won at shop %d sees %s", won, shop, a)
	}
	return true
}

// editOnce changes one product at each shop that is changed at no other time: no later edit makes up for this one.
func (b *bustle) editOnce() {
	for shop := range b.shops {
		b.edit(shop, b.products[len(b.products)-1-shop])
	}
}

func (b *bustle) order(shop int) bool {
	asked := time.Now()
	e := b.crowd.errand(shop)
	if e == nil {
		return b.complain("there are not enough buyers")
	}
	if e.placed.Status != http.StatusCreated || e.confirm != nil && e.paid.Status != http.StatusOK {
		return b.complain("an order at shop %d: %s, %s", shop, e.placed, e.paid)
	}
	b.answered("orders", shop, asked)
	return true
}

// lists are there, or refused in the way that the contract knows: also where the machine is too busy with something else.
func (b *bustle) lists(shop int, path string) bool {
	asked := time.Now()
	switch a := b.look(shop, path); {
	case a.Status == http.StatusOK && len(a.Body["items"].([]any)) > 0:
		b.answered("lists", shop, asked)
	case a.Status == http.StatusServiceUnavailable && a.Body["code"] == "catalog.search_unavailable" && a.Header.Get("Retry-After") == "1" &&
		strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json"):
		b.answered("lists refused", shop, asked)
	default:
		return b.complain("%s of shop %d: %s", path, shop, a)
	}
	return true
}

// listed says what is wrong with the list of a shop, which has everything as it is now.
func (b *bustle) listed(shop int) error {
	a := b.look(shop, "/v1/products?category=bustle&limit=100")
	b.mu.Lock()
	defer b.mu.Unlock()
	items := a.items()
	if a.Status != http.StatusOK || len(items) != len(b.products) {
		return fmt.Errorf("the list of shop %d: %s", shop, a)
	}
	for id, won := range b.won {
		if items[id]["price_won"] != float64(won) {
			return fmt.Errorf("in the list of shop %d %s costs %v won, and not %d", shop, id, items[id]["price_won"], won)
		}
	}
	return nil
}

// shown waits until every shop shows every product as it is now, in its details and in lists.
func (b *bustle) shown() {
	b.t.Helper()
	for shop := range b.shops {
		b.shops[shop].await("every edit in details and lists", func() bool {
			for id, won := range b.won {
				if b.look(shop, "/v1/products/"+id).Body["price_won"] != float64(won) {
					return false
				}
			}
			return b.listed(shop) == nil
		})
	}
}

// told waits until each shop's /readyz says of a part that it is in this state; the shop is ready whatever that is.
func (f *fleet) told(part, state string) {
	f.t.Helper()
	for shop := range f.shops {
		f.shops[shop].await(fmt.Sprintf("%s to be told %s", part, state), func() bool {
			a := f.look(shop, "/readyz")
			require.Equal(f.t, http.StatusOK, a.Status, a)
			return slices.ContainsFunc(objects(a.Body["parts"]), func(p map[string]any) bool { return p["name"] == part && p["state"] == state })
		})
	}
}

// caughtUp waits until a store is known to have what there was at this moment.
func (f *fleet) caughtUp(store string) {
	f.t.Helper()
	var now time.Time
	require.NoError(f.t, f.db.QueryRow(f.t.Context(), `SELECT clock_timestamp()`).Scan(&now))
	f.shops[0].await(store+" to catch up", func() bool {
		return f.count(`SELECT count(*) FROM catalog.projections WHERE store = $1 AND retired_at IS NULL AND caught_up_at > $2`, store, now) > 0
	})
}

// newcomer opens another shop of the fleet, which closes again.
func (f *fleet) newcomer(look func(p *process)) {
	f.t.Helper()
	settings := maps.Clone(f.shops[0].env)
	delete(settings, "SHOP_LISTEN")
	delete(settings, "SHOP_DATA_DIR")
	p := newProcess(f.t, settings)
	look(p)
	p.stop()
}

// TestCassandraStopped kills Cassandra with kill -9 under a load of details, edits and orders at three shops. Nobody who looks at a product is
// told of it: details go on from the truth, each as new as whoever looks has seen it, and lists and orders do not know Cassandra. When it
// comes back it has everything that changed meanwhile.
func TestCassandraStopped(t *testing.T) {
	f, cassandra := newStoppedFleet(t, "CASSANDRA")
	b := newBustle(f)
	b.begin()
	all := []string{"details", "edits", "orders", "lists"}
	b.more(20, all...)

	cassandra.die()
	f.told("cassandra", "down")
	b.editOnce()
	b.more(20, all...)
	out, code := f.shops[0].run("doctor")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "down: details")
	lines, balanced := f.audited()
	require.False(t, balanced)
	require.Equal(t, books.Unknown, lines["catalog.projections.cassandra"].State, "what cannot be compared is not equal")
	f.newcomer(func(p *process) {
		for _, id := range b.products {
			client{p: p}.want(200, "GET", "/v1/products/"+id, nil)
		}
	})
	for _, p := range f.shops {
		require.Equal(t, "truth", p.source())
	}

	b.calm.Store(true)
	cassandra.rise()
	b.calm.Store(false)
	f.told("cassandra", "up")
	f.caughtUp("cassandra")
	for _, p := range f.shops {
		p.await("details to come from Cassandra again", func() bool { return p.source() == "cassandra" })
	}
	b.more(20, all...)
	b.end()
	b.shown()
	f.rest()
	f.equal()
}

// source is where the details of a shop come from, by its log.
func (p *process) source() string {
	source := "cassandra"
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, "details have changed their source") {
			source = either(strings.Contains(line, `"truth":true`), "truth", "cassandra")
		}
	}
	return source
}

// TestElasticsearchStopped kills Elasticsearch in the same way. Lists and suggestions are refused, in the contract's words and without
// waiting for who does not answer; all else goes on. When it comes back so do the lists, and every edit that was made meanwhile is in them.
//
// saleor PR#16904 and vendure#3066 (rows 21 and 25 of what others' shops did); the original's fault 54: what could not be written into the
// index then was never written.
func TestElasticsearchStopped(t *testing.T) {
	f, elasticsearch := newStoppedFleet(t, "ELASTICSEARCH")
	b := newBustle(f)
	b.begin()
	others := []string{"details", "edits", "orders"}
	b.more(20, append(others, "lists")...)

	elasticsearch.die()
	f.told("elasticsearch", "down")
	b.editOnce()
	b.more(20, append(others, "lists refused")...)
	// A crowd that wants nothing but lists holds up nobody else.
	together(300, func(i int) {
		if i%2 == 0 {
			b.lists(i%3, "/v1/products?limit=20")
		} else if a := f.look(i%3, "/v1/products/"+b.products[0]); a.Status != http.StatusOK {
			b.complain("details at shop %d: %s", i%3, a)
		}
	})
	out, code := f.shops[0].run("doctor")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "down: search")
	lines, balanced := f.audited()
	require.False(t, balanced)
	require.Equal(t, books.Unknown, lines["catalog.projections.search"].State, "what cannot be compared is not equal")
	f.newcomer(func(p *process) {
		client{p: p}.want(200, "GET", "/v1/products/"+b.products[0], nil)
		client{p: p}.want(503, "GET", "/v1/products", nil)
	})

	b.calm.Store(true)
	elasticsearch.rise()
	b.calm.Store(false)
	f.told("elasticsearch", "up")
	f.caughtUp("search")
	for shop, p := range f.shops {
		p.await("lists", func() bool { return f.look(shop, "/v1/products").Status == http.StatusOK })
	}
	b.more(20, append(others, "lists")...)
	b.end()
	b.shown()
	f.rest()
	f.equal()
}

// newStoppedFleet opens three shops on stores of which one can be stopped.
func newStoppedFleet(t *testing.T, name string) (*fleet, *engine) {
	e := newEngine(t, name)
	settings := onStores(t)
	t.Cleanup(e.rise) // before what the test made in it is removed
	return newFleet(t, settings, nil, nil, nil), e
}
