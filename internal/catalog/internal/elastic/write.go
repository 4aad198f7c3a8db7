package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/olivere/elastic/v7"
	"golang.org/x/sync/errgroup"

	"github.com/sasapick/shop/internal/catalog/internal/app"
	"github.com/sasapick/shop/internal/platform/clock"
)

const (
	maxBulk    = 1 << 20 // bytes of one request
	atOnce     = 4       // requests of one call that are under way together: each keeps one core of Elasticsearch busy
	maxRefused = 6       // times that a bulk request is sent while Elasticsearch says that it is too busy
	firstPause = 100 * time.Millisecond
)

// Put implements app.Index: it writes into the generation that is read.
func (x *Index) Put(ctx context.Context, documents []app.Document) error {
	return x.put(ctx, x.alias, documents)
}

// PutInto implements app.Projection: it writes into one generation, whether it is read or not.
func (x *Index) PutInto(ctx context.Context, generation string, documents []app.Document) error {
	err := x.put(ctx, x.entry(generation), documents)
	if refusal, ok := errors.AsType[*elastic.Error](err); ok && refusal.Status == http.StatusNotFound { // nothing else can be missing
		return fmt.Errorf("%w: %w", app.ErrNoGeneration, err)
	}
	return err
}

// write is a line of a bulk request.
type write struct {
	action, document string
}

// Source implements elastic.BulkableRequest.
func (w write) Source() ([]string, error) { return []string{w.action, w.document}, nil }

func (w write) String() string { return w.action }

func (w write) size() int { return len(w.action) + len(w.document) + 2 }

type action struct {
	Index target `json:"index"`
}

// target names an alias: a write to an index that has gone must not make another one, without a mapping.
type target struct {
	Index        string `json:"_index"`
	RequireAlias bool   `json:"require_alias"`
	ID           string `json:"_id"`
	Version      int64  `json:"version"`
	VersionType  string `json:"version_type"`
}

func (x *Index) put(ctx context.Context, alias string, documents []app.Document) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	var writes []write
	size := 0
	send := func() {
		now := writes
		all.Go(func() error { return x.bulk(ctx, now) })
		writes, size = nil, 0
	}
	for _, d := range documents {
		w, err := writeOf(alias, d)
		if err != nil {
			return errors.Join(err, all.Wait())
		}
		if size+w.size() > maxBulk && size > 0 {
			send()
		}
		writes, size = append(writes, w), size+w.size()
	}
	send()
	return all.Wait()
}

func writeOf(alias string, d app.Document) (write, error) {
	a, err := json.Marshal(action{target{Index: alias, RequireAlias: true, ID: d.ID.String(), Version: d.Version, VersionType: "external_gte"}})
	if err != nil {
		return write{}, fmt.Errorf("encode the action of product %s: %w", d.ID, err)
	}
	document, err := json.Marshal(documentOf(d))
	if err != nil {
		return write{}, fmt.Errorf("encode product %s: %w", d.ID, err)
	}
	return write{string(a), string(document)}, nil
}

// bulk sends writes until each is there, or a newer one is. What Elasticsearch is too busy for is sent again after a pause that
// doubles.
func (x *Index) bulk(ctx context.Context, writes []write) error {
	for pause := firstPause; len(writes) > 0; pause *= 2 {
		refused, err := x.send(ctx, writes)
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			if pause >= firstPause<<(maxRefused-1) {
				return outage(&elastic.Error{Status: http.StatusTooManyRequests})
			}
			if err := clock.Sleep(ctx, clock.About(pause)); err != nil {
				return err
			}
		}
		writes = refused
	}
	return nil
}

// send makes one request, and returns the writes that there was no room for.
func (x *Index) send(ctx context.Context, writes []write) ([]write, error) {
	limited, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	request := x.client.Bulk().FilterPath("items.*.status", "items.*.error")
	for _, w := range writes {
		request.Add(w)
	}
	answer, err := request.Do(limited)
	if elastic.IsStatusCode(err, http.StatusTooManyRequests) {
		return writes, nil
	}
	if err != nil {
		return nil, outage(fmt.Errorf("write %d products: %w", len(writes), err))
	}
	items := answer.Items
	if len(items) != len(writes) {
		return nil, fmt.Errorf("write %d products: %d were answered", len(writes), len(items))
	}
	var refused []write
	for i, item := range items {
		switch result := item["index"]; {
		case result.Status == http.StatusTooManyRequests:
			refused = append(refused, writes[i])
		case result.Status < 300, result.Status == http.StatusConflict: // a newer one is there
		default:
			return nil, outage(fmt.Errorf("write %s: %w", writes[i], &elastic.Error{Status: result.Status, Details: result.Error}))
		}
	}
	return refused, nil
}

func (x *Index) index(generation string) string { return x.alias + "-" + generation }

// entry is the alias that a generation is written through.
func (x *Index) entry(generation string) string { return x.index(generation) + "-writes" }

// Create makes an empty generation, which is written into and not read yet. One that is there already stays as it is.
func (x *Index) Create(ctx context.Context, generation string) error {
	body := settings()
	body["aliases"] = map[string]any{x.entry(generation): map[string]any{}}
	return x.change(ctx, "create generation "+generation, func(ctx context.Context) error {
		_, err := x.client.CreateIndex(x.index(generation)).BodyJson(body).Do(ctx)
		if refusal, ok := errors.AsType[*elastic.Error](err); ok && refusal.Details != nil && refusal.Details.Type == "resource_already_exists_exception" {
			return nil
		}
		return err
	})
}

// Adopt has the generation read from now on, in place of the one before, once all that was written into it can be found.
func (x *Index) Adopt(ctx context.Context, generation string) error {
	before, err := x.Current(ctx)
	if err != nil {
		return err
	}
	return x.change(ctx, "adopt generation "+generation, func(ctx context.Context) error {
		index := x.index(generation)
		if _, err := x.client.IndexPutSettings(index).BodyJson(map[string]any{"index.refresh_interval": "1s"}).Do(ctx); err != nil {
			return err
		}
		if _, err := x.client.Refresh(index).Do(ctx); err != nil {
			return err
		}
		swap := x.client.Alias().Add(index, x.alias)
		if before != "" && before != generation {
			swap.Remove(x.index(before), x.alias)
		}
		_, err := swap.Do(ctx)
		return err
	})
}

// ErrCurrent refuses to drop what is read.
var ErrCurrent = errors.New("the generation is read")

// Drop forgets a generation. One that is not there is no error; the one that is read is not dropped: ErrCurrent.
func (x *Index) Drop(ctx context.Context, generation string) error {
	current, err := x.Current(ctx)
	if err != nil {
		return err
	}
	if current == generation {
		return ErrCurrent
	}
	return x.change(ctx, "drop generation "+generation, func(ctx context.Context) error {
		_, err := x.client.DeleteIndex(x.index(generation)).Do(ctx)
		if elastic.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// Current returns the generation that is read; empty: none yet.
func (x *Index) Current(ctx context.Context) (string, error) {
	var indexes []string
	err := x.change(ctx, "ask for the generation", func(ctx context.Context) error {
		aliases, err := x.client.Aliases().Alias(x.alias).Do(ctx)
		if elastic.IsNotFound(err) {
			return nil
		}
		if err == nil {
			indexes = aliases.IndicesByAlias(x.alias)
		}
		return err
	})
	if err != nil || len(indexes) == 0 {
		return "", err
	}
	return slices.Max(indexes)[len(x.alias)+1:], nil
}

// change makes a request that is not a shopper's.
func (x *Index) change(ctx context.Context, what string, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	if err := do(limited); err != nil {
		return outage(fmt.Errorf("%s: %w", what, err))
	}
	return nil
}
