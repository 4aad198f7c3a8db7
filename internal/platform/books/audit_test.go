package books_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sasapick/shop/internal/platform/books"
	"github.com/sasapick/shop/internal/platform/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// now is a pause that takes no time.
func now(context.Context) error { return nil }

// fickle is an invariant whose looks are written down beforehand: a list of the subjects that are wrong, or an error.
type fickle struct {
	settles bool
	looks   []view
	asked   []string // the checkpoints from which it was looked at
}

type view struct {
	wrong []string
	err   error
}

func (f *fickle) invariant(name string) books.Invariant {
	return books.Invariant{
		Module: "tests", Name: name, Says: "It is as it is.", Settles: f.settles,
		Check: func(_ context.Context, from string) (books.Finding, error) {
			v := f.looks[min(len(f.asked), len(f.looks)-1)]
			f.asked = append(f.asked, from)
			if v.err != nil {
				return books.Finding{}, v.err
			}
			found := books.Finding{Looked: int64(len(f.asked)), Through: fmt.Sprintf("%s+%d", from, len(f.asked))}
			for _, subject := range v.wrong {
				found.Wrong = append(found.Wrong, books.Mismatch{Subject: subject, Detail: "off"})
			}
			return found, nil
		},
	}
}

// TestAudit holds audits of any invariants, with any looks, against what they must say.
func TestAudit(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 3, rapid.ID[string])
		looks := rapid.Custom(func(t *rapid.T) view {
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				return view{err: errors.New("no such column")}
			case 1:
				return view{err: context.DeadlineExceeded}
			}
			return view{wrong: some.Draw(t, "wrong")}
		})
		full := rapid.Bool().Draw(t, "full")
		from := map[string]books.Checkpoint{}
		var invariants []books.Invariant
		var all []*fickle
		for i := range rapid.IntRange(0, 8).Draw(t, "invariants") {
			f := &fickle{settles: rapid.Bool().Draw(t, "settles"), looks: rapid.SliceOfN(looks, 2, 2).Draw(t, "looks")}
			invariants = append(invariants, f.invariant(strconv.Itoa(i)))
			if rapid.Bool().Draw(t, "checkpoint") {
				from[invariants[i].ID()] = books.Checkpoint{Through: "c" + strconv.Itoa(i), At: time.Unix(1, 0)}
			}
			all = append(all, f)
		}
		report := books.Audit(t.Context(), invariants, books.Options{From: from, Full: full, Limit: time.Minute, Pause: now})

		balanced := true
		require.Len(t, report.Items, len(all))
		for i, f := range all {
			line := report.Items[i]
			id := invariants[i].ID()
			require.Equal(t, id, line.ID)
			begin := from[id].Through
			if full {
				begin = ""
			}
			want, last := books.Sound, f.looks[0]
			wrong := last.wrong
			if f.settles && len(wrong) > 0 {
				last = f.looks[1]
				wrong = slices.DeleteFunc(slices.Clone(last.wrong), func(s string) bool { return !slices.Contains(f.looks[0].wrong, s) })
				require.Equal(t, []string{begin, begin}, f.asked, "both looks are from the same checkpoint")
			} else {
				require.Equal(t, []string{begin}, f.asked)
			}
			switch {
			case last.err != nil:
				want, wrong = books.Unknown, nil
			case len(wrong) > 0:
				want = books.Broken
			}
			require.Equal(t, want, line.State, "looks %v", f.looks)
			var named []string
			for _, m := range line.Wrong {
				named = append(named, m.Subject)
			}
			require.ElementsMatch(t, wrong, named)
			require.Equal(t, want == books.Unknown, line.Reason != "")
			require.Equal(t, begin != "", line.Since != nil)
			through := ""
			if want == books.Sound && len(last.wrong) == 0 {
				through = fmt.Sprintf("%s+%d", begin, len(f.asked))
			}
			require.Equal(t, through, line.Through(), "only a look that named nothing leaves a checkpoint")
			balanced = balanced && want == books.Sound
		}
		require.Equal(t, balanced, report.Balanced)
	})
}

func TestLooks(t *testing.T) {
	t.Parallel()

	t.Run("APanicIsUnknown", func(t *testing.T) {
		t.Parallel()

		report := books.Audit(t.Context(), []books.Invariant{{
			Module: "tests", Name: "panics", Says: "It panics.", Check: func(context.Context, string) (books.Finding, error) { panic("no") },
		}}, books.Options{})
		require.False(t, report.Balanced)
		require.Equal(t, books.Unknown, report.Items[0].State)
		require.ErrorContains(t, report.Items[0].Err, "no")
	})

	t.Run("OneThatDoesNotListenIsLeftBehind", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			never, start := make(chan struct{}), time.Now()
			defer close(never)
			report := books.Audit(t.Context(), []books.Invariant{{
				Module: "tests", Name: "deaf", Says: "It does not listen.",
				Check: func(context.Context, string) (books.Finding, error) { <-never; return books.Finding{}, nil },
			}}, books.Options{})
			require.Equal(t, "it took longer than 5s", report.Items[0].Reason)
			require.Equal(t, books.Limit, time.Since(start))
		})
	})

	// Of what only a part was looked at, nobody can say that all of it is sound; from one checkpoint to the next it may be in parts.
	t.Run("AFullLookThatBreaksOffIsUnknown", func(t *testing.T) {
		t.Parallel()

		short := books.Invariant{Module: "tests", Name: "short", Says: "There is too much.", Check: func(ctx context.Context, _ string) (books.Finding, error) {
			return books.Finding{Through: "half", Short: books.Spent(books.Hurried(ctx), 0.5)()}, nil
		}}
		report := books.Audit(t.Context(), []books.Invariant{short}, books.Options{})
		require.True(t, report.Balanced)
		report = books.Audit(t.Context(), []books.Invariant{short}, books.Options{Full: true})
		require.Equal(t, books.Unknown, report.Items[0].State)
		require.Equal(t, "there is more than can be looked at in 10m0s", report.Items[0].Reason)
	})

	// A first look that is cut off may have left out any subject.
	t.Run("NoneIsLetOffBehindTheMost", func(t *testing.T) {
		t.Parallel()

		var first, second []string
		for i := range books.MostWrong {
			first, second = append(first, "x"+strconv.Itoa(i)), append(second, "y"+strconv.Itoa(i))
		}
		f := &fickle{settles: true, looks: []view{{wrong: first}, {wrong: second}}}
		report := books.Audit(t.Context(), []books.Invariant{f.invariant("many")}, books.Options{Pause: now})
		require.Len(t, report.Items[0].Wrong, books.MostWrong)
	})

	t.Run("AFewAtATime", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			var running atomic.Int64
			gate := make(chan struct{})
			var invariants []books.Invariant
			for i := range 20 {
				invariants = append(invariants, books.Invariant{
					Module: "tests", Name: strconv.Itoa(i), Says: "It waits.",
					Check: func(context.Context, string) (books.Finding, error) {
						running.Add(1)
						<-gate
						return books.Finding{}, nil
					},
				})
			}
			done := make(chan books.Report)
			go func() { done <- books.Audit(t.Context(), invariants, books.Options{}) }()
			synctest.Wait() // until nobody can go on
			require.EqualValues(t, 3, running.Load())
			close(gate)
			require.True(t, (<-done).Balanced)
			require.EqualValues(t, 20, running.Load())
		})
	})

	t.Run("TheSecondLookIsAMomentLater", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			f := &fickle{settles: true, looks: []view{{wrong: []string{"a"}}, {}}}
			start := time.Now()
			require.True(t, books.Audit(t.Context(), []books.Invariant{f.invariant("one")}, books.Options{}).Balanced)
			require.Equal(t, 2*time.Second, time.Since(start))
		})
	})
}

func TestSpan(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 1<<48-1).Draw(t, "at"))
		id := books.FirstID(at)
		require.EqualValues(t, 7, id.Version())
		require.Equal(t, uuid.RFC4122, id.Variant())
		sec, nsec := id.Time().UnixTime()
		require.True(t, at.Equal(time.Unix(sec, nsec)))
	})
	before := books.FirstID(time.Now())
	made := uuid.Must(uuid.NewV7())
	require.LessOrEqual(t, before.String(), made.String())
	require.Less(t, made.String(), books.FirstID(time.Now().Add(time.Millisecond)).String())

	since, through, err := books.Span("", time.Time{})
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, since)
	require.Less(t, through.String(), books.FirstID(time.Now().Add(-books.Late+time.Millisecond)).String(), "a late commit is not skipped")
	again, further, err := books.Span(through.String(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, through, again)
	require.LessOrEqual(t, through.String(), further.String())
	least := books.FirstID(time.Now().Add(-time.Hour))
	since, _, err = books.Span(uuid.Nil.String(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.LessOrEqual(t, least.String(), since.String())
	_, _, err = books.Span("a number", time.Time{})
	require.Error(t, err)
}

func TestAuditor(t *testing.T) {
	t.Parallel()

	log := slog.New(slog.DiscardHandler)

	t.Run("KeepsWhatIsSound", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, "platform")
		one, two := &fickle{looks: []view{{}}}, &fickle{looks: []view{{}, {wrong: []string{"a"}}, {err: errors.New("no")}, {}}}
		a, err := books.NewAuditor([]books.Invariant{one.invariant("one"), two.invariant("two")}, pool, log)
		require.NoError(t, err)
		kept := func() map[string]string {
			rows, err := pool.Query(t.Context(), `SELECT invariant, through FROM platform.checkpoints`)
			require.NoError(t, err)
			all, id, through := map[string]string{}, "", ""
			_, err = pgx.ForEachRow(rows, []any{&id, &through}, func() error { all[id] = through; return nil })
			require.NoError(t, err)
			return all
		}
		for _, want := range []struct {
			balanced bool
			one, two string
		}{{true, "+1", "+1"}, {false, "+1+2", "+1"}, {false, "+1+2+3", "+1"}, {true, "+1+2+3+4", "+1+4"}} {
			r, err := a.Audit(t.Context(), books.Options{})
			require.NoError(t, err)
			require.Equal(t, want.balanced, r.Balanced)
			require.Equal(t, map[string]string{"tests.one": want.one, "tests.two": want.two}, kept())
		}
		r, err := a.Audit(t.Context(), books.Options{Full: true})
		require.NoError(t, err)
		require.Nil(t, r.Items[0].Since)
		require.Equal(t, map[string]string{"tests.one": "+5", "tests.two": "+5"}, kept())

		before := kept()
		_, err = a.Report(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, kept(), "who only asks changes nothing")
	})

	t.Run("OneReportForAllWhoAsk", func(t *testing.T) {
		t.Parallel()

		looks, asking := 0, make(chan struct{})
		a, err := books.NewAuditor([]books.Invariant{{
			Module: "tests", Name: "slow", Says: "It is slow.",
			Check: func(context.Context, string) (books.Finding, error) {
				looks++ // by one goroutine after the other, or the race detector says so
				<-asking
				return books.Finding{Looked: int64(looks)}, nil
			},
		}}, pgtest.New(t, "platform"), log)
		require.NoError(t, err)

		first, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = a.Report(first)
		require.ErrorIs(t, err, context.Canceled, "who goes is not waited for, and takes the audit with them from nobody")
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				r, err := a.Report(t.Context())
				if err != nil || r.Items[0].Looked != 1 {
					t.Errorf("%v, %v", r, err)
				}
			})
		}
		close(asking)
		all.Wait()
		r, err := a.Report(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Items[0].Looked, "it is shown again for seconds")
	})

	t.Run("RefusesInvariantsThatCannotBeToldApart", func(t *testing.T) {
		t.Parallel()

		f := &fickle{}
		_, err := books.NewAuditor([]books.Invariant{f.invariant("one"), f.invariant("two"), f.invariant("one")}, nil, log)
		require.ErrorContains(t, err, "tests.one")
		_, err = books.NewAuditor([]books.Invariant{{Module: "tests", Name: "one", Says: "Nothing."}}, nil, log)
		require.Error(t, err)
	})

	t.Run("TheJobCounts", func(t *testing.T) {
		t.Parallel()

		one, two := &fickle{looks: []view{{}}}, &fickle{looks: []view{{wrong: []string{"a", "b"}}, {err: errors.New("no")}, {}}}
		a, err := books.NewAuditor([]books.Invariant{one.invariant("one"), two.invariant("two")}, pgtest.New(t, "platform"), log)
		require.NoError(t, err)
		r := prometheus.NewRegistry()
		jobs := books.Jobs(a, r, log)
		require.Len(t, jobs, 1)
		figures := func() map[string]float64 {
			families, err := r.Gather()
			require.NoError(t, err)
			all := map[string]float64{}
			for _, f := range families {
				for _, m := range f.Metric {
					name := f.GetName()
					for _, l := range m.Label {
						name += " " + l.GetValue()
					}
					all[name] = m.Gauge.GetValue()
				}
			}
			return all
		}
		require.NoError(t, jobs[0].Run(t.Context()))
		seen := figures()
		require.Zero(t, seen["shop_books_mismatches tests.one"])
		require.EqualValues(t, 2, seen["shop_books_mismatches tests.two"])
		checked := seen["shop_books_checked_timestamp"]
		require.Positive(t, checked)

		require.ErrorContains(t, jobs[0].Run(t.Context()), "1 of 2")
		seen = figures()
		require.EqualValues(t, 2, seen["shop_books_mismatches tests.two"], "what was known stays")
		require.EqualValues(t, 1, seen["shop_books_unknown"])
		require.Equal(t, checked, seen["shop_books_checked_timestamp"])

		require.NoError(t, jobs[0].Run(t.Context()))
		seen = figures()
		require.Zero(t, seen["shop_books_mismatches tests.two"])
		require.Zero(t, seen["shop_books_unknown"])
	})

	t.Run("SaysWhenItCannotRead", func(t *testing.T) {
		t.Parallel()

		pool := pgtest.New(t, "platform")
		f := &fickle{looks: []view{{}}}
		a, err := books.NewAuditor([]books.Invariant{f.invariant("one")}, pool, log)
		require.NoError(t, err)
		pool.Close()
		_, err = a.Audit(t.Context(), books.Options{})
		require.ErrorContains(t, err, "read the checkpoints")
		_, err = a.Report(t.Context())
		require.ErrorContains(t, err, "read the checkpoints")
	})
}
