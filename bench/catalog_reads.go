package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	few    = 1000   // products that are asked for again before they have to be looked at again, but for a few
	many   = 10_000 // that are not
	full   = 60_000 // more than a process keeps
	kept   = 10_000 // that it keeps where it keeps fewer
	beyond = 512    // bytes that the shop reckons for one beside its answer
	skew   = 1.1    // of Zipf's law
)

var storeAsked = column{"store asked, %", func(s *series) string {
	return fmt.Sprintf("%.1f", figure(s, func(x sample) float64 { return 100 * float64(x.asked) / float64(x.answered) }))
}}

// zipf draws the first things most often. Which product is the first has nothing to do with its age: see [shuffled].
func zipf(dice *rand.Rand, n int) func() int {
	law := rand.NewZipf(dice, skew, 1, uint64(n-1))
	return func() int { return int(law.Uint64()) }
}

func shuffled(goods []good) []good {
	goods = slices.Clone(goods)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(goods), func(i, j int) { goods[i], goods[j] = goods[j], goods[i] })
	return goods
}

// hits compares details that the process has with a bare handler, and those of a large catalogue with those of a small one.
func hits(ctx context.Context, r *report, small, large *catalogue) error {
	var things []thing
	for _, of := range []struct {
		*catalogue
		counts []int
	}{{small, []int{1, few}}, {large, []int{1, few, many}}} {
		shop, err := of.start(ctx)
		if err != nil {
			return err
		}
		defer shop.stop()
		among := shuffled(of.goods)
		if err := askEach(shop.address, min(full, len(among)), func(i int) []byte { return get(productPath + among[i].id.String()) }); err != nil {
			return err
		}
		among = among[:min(of.counts[len(of.counts)-1], len(among))]
		answers := filepath.Join(of.folder, "answers.json")
		if err := copyAnswers(shop.address, among, answers); err != nil {
			return err
		}
		bare, err := startChild(ctx, "bare", "--answers", answers)
		if err != nil {
			return err
		}
		defer bare.stop()
		for _, n := range of.counts {
			n = min(n, len(among))
			name := fmt.Sprintf("%s of %s", thousands(float64(n)), of.catalogue)
			things = append(things, of.read("the shop, "+name, shop, among[:n], uniform), of.read("bare chi, "+name, bare, among[:n], uniform))
		}
	}
	fmt.Print("details, hits ")
	all, err := alternate(ctx, large.settings.Rounds, things)
	if err != nil {
		return err
	}
	r.add(table{
		id: "catalog-hits", title: fmt.Sprintf("GET /v1/products/{id} of what the process has, %d connections", readers), unit: "answers a second", series: all,
		columns: append(slices.Clone(underLoad), storeAsked),
		targets: []target{
			aim("one product, small", "bare", all[0], all[1], 0.6), aim("1,000 products, small", "bare", all[2], all[3], 0.6),
			aim("one product, large", "bare", all[4], all[5], 0.6), aim("1,000 products, large", "bare", all[6], all[7], 0.6),
			aim("10,000 products, large", "bare", all[8], all[9], 0),
		},
		limits: []limit{
			{"p99 of one product, large ≤ 1.2 × small", all[4], all[0], p99Of, 1.2},
			{"p99 of 1,000 products, large ≤ 1.2 × small", all[6], all[2], p99Of, 1.2},
		},
		notes: []string{
			fmt.Sprintf("the large catalogue's process was asked for %s products before, so that it keeps all that it has room for", thousands(full)),
			"a product is shown for a second after the store was asked: of 1,000 most answers find it asked, of 10,000 many do not, so that row is only shown",
		},
	})
	return nil
}

// misses compares details that have to be read from Cassandra, of a large catalogue and of a small one.
func misses(ctx context.Context, r *report, small, large *catalogue) error {
	all, err := readMisses(ctx, small, large)
	if err != nil {
		return err
	}
	turned := 0
	for _, c := range []*catalogue{small, large} {
		n, err := c.logged(`"details have changed their source"`)
		if err != nil {
			return err
		}
		turned += n
	}
	r.add(table{
		id: "catalog-misses", title: fmt.Sprintf("GET /v1/products/{id} of what the process has not, %d connections", readers), unit: "answers a second", series: all,
		columns: append(slices.Clone(underLoad), storeAsked),
		limits: []limit{
			{"p99 of misses, uniform, large ≤ 1.5 × small", all[2], all[0], p99Of, 1.5},
			{"p99 of misses, Zipf, large ≤ 1.5 × small", all[3], all[1], p99Of, 1.5},
			{"p99, uniform, large with 10,000 kept ≤ 1.5 × misses of the small one", all[4], all[0], p99Of, 1.5},
			{"p99, Zipf, large with 10,000 kept, beside misses of the small one", all[5], all[1], p99Of, 0},
		},
		notes: []string{
			"a cache of 10,000 holds all of a small catalogue, and would compare looks at what is known with reads of what is not; so here both processes keep " +
				"nothing: every answer is a document that was read and encoded for it, and for those who asked for the same at the same moment. The last two rows keep " +
				"10,000 products, as far as their bytes go",
			fmt.Sprintf("Zipf: the n-th product is asked for as 1/n^%g; which is the n-th is drawn", skew),
			fmt.Sprintf("times that a process left Cassandra alone for the database, or came back: %d", turned),
		},
	})
	return nil
}

func readMisses(ctx context.Context, small, large *catalogue) ([]*series, error) {
	var things []thing
	bytes := int64(0)
	for _, of := range []struct {
		*catalogue
		kept int64
	}{{small, 0}, {large, 0}, {large, kept}} {
		shop, err := of.start(ctx, "--max-details", strconv.FormatInt(max(1, of.kept*(bytes+beyond)), 10))
		if err != nil {
			return nil, err
		}
		defer shop.stop()
		among := shuffled(of.goods)
		if bytes, err = meanBody(shop.address, among[:min(few, len(among))]); err != nil {
			return nil, err
		}
		name := of.String()
		if of.kept > 0 {
			name += fmt.Sprintf(", %s kept", thousands(float64(of.kept)))
			if err := askEach(shop.address, min(full, len(among)), func(i int) []byte { return get(productPath + among[i].id.String()) }); err != nil {
				return nil, err
			}
		}
		things = append(things, of.read(name+", uniform", shop, among, uniform), of.read(name+", Zipf", shop, among, zipf))
	}
	fmt.Print("details, misses ")
	return alternate(ctx, large.settings.Rounds, things)
}

// meanBody is how many bytes an answer has.
func meanBody(address string, goods []good) (int64, error) {
	conn, err := dial(address)
	if err != nil {
		return 0, err
	}
	defer conn.close()
	sum := 0
	for _, g := range goods {
		status, body, err := conn.do(get(productPath+g.id.String()), nil)
		if err != nil || status != http.StatusOK {
			return 0, fmt.Errorf("read a product: %d %w", status, err)
		}
		sum += len(body)
	}
	return int64(sum / len(goods)), nil
}

// logged is how many lines the catalogue's shops have logged that have the text.
func (c *catalogue) logged(text string) (n int, err error) {
	f, err := os.Open(c.log())
	if err != nil {
		return 0, fmt.Errorf("read the log: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			n++
		}
	}
	return n, lines.Err()
}
