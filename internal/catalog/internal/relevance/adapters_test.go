package relevance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/olivere/elastic/v7"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	shopelastic "github.com/sasapick/shop/internal/catalog/internal/elastic"
	"github.com/sasapick/shop/internal/catalog/internal/memory"
	"github.com/sasapick/shop/internal/catalog/internal/relevance"
	"github.com/sasapick/shop/internal/platform/stacktest"
)

// shown is how many of a list are looked at.
const shown = 20

// search returns the ids of the first products found.
type search func(ctx context.Context, text string) ([]uuid.UUID, error)

// figures are the means over some queries.
type figures struct {
	ndcg, recall float64
}

// TestRelevance measures both adapters beside the original's query, and prints what it finds: go test -run TestRelevance -v. The floors
// are of the queries that were held out, a little below what was measured.
func TestRelevance(t *testing.T) {
	documents := relevance.Catalogue()
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-14s", "nDCG@10")
	for _, class := range relevance.Classes {
		fmt.Fprintf(&table, " %15s", class.Name)
	}
	fmt.Fprintf(&table, " | %23s | %23s\n", "tuned by: nDCG, recall", "held out: nDCG, recall")

	for _, system := range []struct {
		name  string
		open  func(t *testing.T, documents []app.Document) search
		floor figures
	}{
		{"Embedded", embedded, figures{0.91, 0.94}},
		{"Elasticsearch", inElasticsearch, figures{0.93, 0.97}},
		{"Original", original, figures{}},
	} {
		t.Run(system.name, func(t *testing.T) {
			measured := measure(t, system.open(t, documents), documents)
			fmt.Fprintf(&table, "%-14s", system.name)
			for _, f := range measured.classes {
				fmt.Fprintf(&table, " %15.3f", f.ndcg)
			}
			fmt.Fprintf(&table, " | %15.3f %7.3f | %15.3f %7.3f\n",
				measured.tuning.ndcg, measured.tuning.recall, measured.heldOut.ndcg, measured.heldOut.recall)
			require.GreaterOrEqual(t, measured.heldOut.ndcg, system.floor.ndcg, "nDCG@10")
			require.GreaterOrEqual(t, measured.heldOut.recall, system.floor.recall, "recall@20")
		})
	}
	t.Log(table.String())
}

type measured struct {
	classes         []figures // of the queries to tune by: the others are no guide
	tuning, heldOut figures
}

func measure(t *testing.T, find search, documents []app.Document) measured {
	t.Helper()
	var m measured
	var tuning, heldOut []figures
	for _, class := range relevance.Classes {
		of := measureAll(t, find, documents, class.Tuning(), true)
		m.classes = append(m.classes, mean(of))
		tuning = append(tuning, of...)
		heldOut = append(heldOut, measureAll(t, find, documents, class.HeldOut(), false)...)
	}
	m.tuning, m.heldOut = mean(tuning), mean(heldOut)
	return m
}

func measureAll(t *testing.T, find search, documents []app.Document, queries []relevance.Query, tell bool) []figures {
	t.Helper()
	all := make([]figures, len(queries))
	for i, q := range queries {
		grades := make([]int, len(documents))
		of := make(map[uuid.UUID]int, len(documents))
		for n, d := range documents {
			grades[n] = relevance.Grade(q.Wants, d)
			of[d.ID] = grades[n]
		}
		ids, err := find(t.Context(), q.Text)
		require.NoError(t, err, q.Text)
		found := make([]int, len(ids))
		for n, id := range ids {
			found[n] = of[id]
		}
		all[i] = figures{relevance.NDCG(found, grades), relevance.Recall(found, grades)}
		if tell && all[i].ndcg < 0.9 {
			t.Logf("%s: nDCG %.3f, recall %.3f: %v", q.Text, all[i].ndcg, all[i].recall, found)
		}
	}
	return all
}

func mean(all []figures) figures {
	var sum figures
	for _, f := range all {
		sum.ndcg, sum.recall = sum.ndcg+f.ndcg, sum.recall+f.recall
	}
	n := float64(len(all))
	return figures{sum.ndcg / n, sum.recall / n}
}

func embedded(t *testing.T, documents []app.Document) search {
	t.Helper()
	x := memory.New()
	require.NoError(t, x.Put(t.Context(), documents))
	return listed(x)
}

func inElasticsearch(t *testing.T, documents []app.Document) search {
	t.Helper()
	const generation = "1"
	address, alias := stacktest.Elasticsearch(t)
	x, err := shopelastic.New(shopelastic.Config{URL: address, Alias: alias})
	require.NoError(t, err)
	require.NoError(t, x.Create(t.Context(), generation))
	require.NoError(t, x.PutInto(t.Context(), generation, documents))
	require.NoError(t, x.Adopt(t.Context(), generation))
	return listed(x)
}

func listed(x app.Index) search {
	return func(ctx context.Context, text string) ([]uuid.UUID, error) {
		found, err := x.Find(ctx, app.Query{Text: text, Sort: app.ByRelevance, Limit: shown})
		ids := make([]uuid.UUID, len(found.Items))
		for i, item := range found.Items {
			ids[i] = item.ID
		}
		return ids, err
	}
}

// original is what the original asked: its documents without a mapping, and the text between two stars as a query string.
func original(t *testing.T, documents []app.Document) search {
	t.Helper()
	address, alias := stacktest.Elasticsearch(t)
	index := alias + "-original"
	client, err := elastic.NewSimpleClient(elastic.SetURL(address))
	require.NoError(t, err)
	bulk := client.Bulk().Index(index).Refresh("true")
	for _, d := range documents {
		bulk.Add(elastic.NewBulkIndexRequest().Id(d.ID.String()).Doc(map[string]any{
			"productName": d.Name, "brandName": d.Brand, "description": d.Description, "tags": d.Tags,
		}))
	}
	answer, err := bulk.Do(t.Context())
	require.NoError(t, err)
	require.False(t, answer.Errors)
	return func(ctx context.Context, text string) ([]uuid.UUID, error) {
		query := elastic.NewQueryStringQuery("*" + text + "*").Field("productName").Field("brandName").Field("description").Field("tags")
		answer, err := client.Search(index).Query(query).Size(shown).Do(ctx)
		if err != nil {
			return nil, err
		}
		ids := make([]uuid.UUID, len(answer.Hits.Hits))
		for i, hit := range answer.Hits.Hits {
			ids[i] = uuid.MustParse(hit.Id)
		}
		return ids, nil
	}
}
