package contracttest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/platform/contracttest"
	"github.com/sasapick/shop/internal/platform/rpc"
)

// recorder notes what would have failed a test.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

type Mode string

type GoodInput struct {
	ID    uuid.UUID  `json:"id"`
	At    time.Time  `json:"at"`
	Until *time.Time `json:"until,omitempty"`
	Hash  []byte     `json:"hash"`
	Mode  Mode       `json:"mode"`
	Max   int64      `json:"max"`
}

type Line struct {
	Quantity int64  `json:"quantity"`
	Below    []Line `json:"below,omitempty"`
}

type Base struct {
	Name string `json:"name"`
}

type Good struct {
	Base
	Lines  []Line           `json:"lines"`
	ByName map[string]int64 `json:"by_name"`
	Line   *Line            `json:"line,omitempty"`
}

type (
	HiddenInput  struct{ id int }
	OmittedInput struct {
		ID int `json:"-"`
	}
	UntaggedInput struct{ ID int }
	CamelInput    struct {
		ID int `json:"orderId"`
	}
	FuncInput struct {
		Do func() `json:"do"`
	}
	ChanInput struct {
		Do chan int `json:"do"`
	}
	AnyInput struct {
		Value any `json:"value"`
	}
	InterfaceInput struct {
		Err error `json:"err"`
	}
	MapKeyInput struct {
		By map[int64]string `json:"by"`
	}
	DeepInput struct {
		Lines []struct {
			Do func() `json:"do"`
		} `json:"lines"`
	}
	SharedInput struct {
		Names *[]string `json:"names"`
	}
	LossyInput struct {
		List []int `json:"list,omitempty"`
		Half Half  `json:"half"`
	}
)

// Half writes itself, but cannot read what it wrote.
type Half struct{ N int }

func (h Half) MarshalText() ([]byte, error) { return []byte("half"), nil }
func (h *Half) UnmarshalText([]byte) error  { return nil }

var _ = HiddenInput{}.id

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check func(testing.TB)
		want  string
	}{
		"NoInterface": {contracttest.Check[Good], "no interface"},
		"NoMethods":   {contracttest.Check[any], "no methods"},
		"NoContext":   {contracttest.Check[interface{ Good(GoodInput) (Good, error) }], "arguments"},
		"OtherContext": {contracttest.Check[interface {
			Good(any, GoodInput) (Good, error)
		}], "arguments"},
		"TwoInputs": {contracttest.Check[interface {
			Good(context.Context, GoodInput, int) (Good, error)
		}], "arguments"},
		"Variadic": {contracttest.Check[interface {
			Good(context.Context, ...GoodInput) (Good, error)
		}], "arguments"},
		"NoError": {contracttest.Check[interface {
			Good(context.Context, GoodInput) Good
		}], "results"},
		"OnlyError": {contracttest.Check[interface {
			Good(context.Context, GoodInput) error
		}], "results"},
		"OtherError": {contracttest.Check[interface {
			Good(context.Context, GoodInput) (Good, bool)
		}], "results"},
		"OtherName": {contracttest.Check[interface {
			Place(context.Context, GoodInput) (Good, error)
		}], "not PlaceInput"},
		"PointerInput": {contracttest.Check[interface {
			Good(context.Context, *GoodInput) (Good, error)
		}], "not a named struct"},
		"PointerResult": {contracttest.Check[interface {
			Good(context.Context, GoodInput) (*Good, error)
		}], "not a named struct"},
		"SliceResult": {contracttest.Check[interface {
			Good(context.Context, GoodInput) ([]Good, error)
		}], "not a named struct"},
		"NamelessResult": {contracttest.Check[interface {
			Good(context.Context, GoodInput) (struct{}, error)
		}], "not a named struct"},
		"HiddenMethod": {contracttest.Check[interface {
			good(context.Context, GoodInput) (Good, error)
		}], "hidden method"},
		"Hidden": {contracttest.Check[interface {
			Hidden(context.Context, HiddenInput) (Good, error)
		}], "HiddenInput.id is hidden"},
		"Omitted": {contracttest.Check[interface {
			Omitted(context.Context, OmittedInput) (Good, error)
		}], "left out"},
		"Untagged": {contracttest.Check[interface {
			Untagged(context.Context, UntaggedInput) (Good, error)
		}], "snake_case"},
		"Camel": {contracttest.Check[interface {
			Camel(context.Context, CamelInput) (Good, error)
		}], "snake_case"},
		"Func": {contracttest.Check[interface {
			Func(context.Context, FuncInput) (Good, error)
		}], "is a func"},
		"Chan": {contracttest.Check[interface {
			Chan(context.Context, ChanInput) (Good, error)
		}], "is a chan"},
		"Any": {contracttest.Check[interface {
			Any(context.Context, AnyInput) (Good, error)
		}], "is a interface"},
		"Interface": {contracttest.Check[interface {
			Interface(context.Context, InterfaceInput) (Good, error)
		}], "is a interface"},
		"MapKey": {contracttest.Check[interface {
			MapKey(context.Context, MapKeyInput) (Good, error)
		}], "keys are no text"},
		"Deep": {contracttest.Check[interface {
			Deep(context.Context, DeepInput) (Good, error)
		}], "DeepInput.Lines[].Do is a func"},
		"Shared": {contracttest.Check[interface {
			Shared(context.Context, SharedInput) (Good, error)
		}], "pointer to a slice"},
		"Lossy": {contracttest.Check[interface {
			Lossy(context.Context, LossyInput) (Good, error)
		}], "does not survive JSON"},
		"Result": {contracttest.Check[interface {
			Good(context.Context, GoodInput) (FuncInput, error)
		}], "FuncInput.Do is a func"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := &recorder{}
			c.check(r)

			require.Contains(t, strings.Join(r.failures, "\n"), c.want)
			require.NotEmpty(t, r.failures)
		})
	}
}

// Service is as a contract should be.
type Service interface {
	Good(ctx context.Context, in GoodInput) (Good, error)
}

// Foreign gives back what another package defines.
type Foreign interface {
	Good(ctx context.Context, in GoodInput) (time.Time, error)
}

func TestCheckNamed(t *testing.T) {
	t.Parallel()

	r := &recorder{}
	contracttest.Check[Service](r)
	require.Empty(t, r.failures)

	contracttest.Check[Foreign](r)
	require.Len(t, r.failures, 1)
	require.Contains(t, r.failures[0], "time.Time belongs to another package")
}

type PlacedThing struct {
	ID      uuid.UUID `json:"id"`
	Version int64     `json:"version"`
	kind    string
}

func (e PlacedThing) EventType() string       { return e.kind }
func (e PlacedThing) AggregateID() uuid.UUID  { return e.ID }
func (e PlacedThing) AggregateVersion() int64 { return e.Version }

type Fact struct {
	ID      uuid.UUID `json:"id"`
	Version int64     `json:"version"`
}

func (Fact) EventType() string         { return "things.fact.v1" }
func (e Fact) AggregateID() uuid.UUID  { return e.ID }
func (e Fact) AggregateVersion() int64 { return e.Version }

type Wrapped struct{ Fact }

func (Wrapped) EventType() string { return "things.wrapped.v12" }

type OtherName struct{ Fact }

type NoVersion struct{ Fact }

func (NoVersion) EventType() string       { return "things.no_version.v1" }
func (NoVersion) AggregateVersion() int64 { return 7 }

type NoKey struct{ Fact }

func (NoKey) EventType() string      { return "things.no_key.v1" }
func (NoKey) AggregateID() uuid.UUID { return uuid.Nil }

type Unversioned struct{ Fact }

func (Unversioned) EventType() string { return "things.unversioned" }

func TestCheckEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events []contracttest.Event
		want   string // empty: none
	}{
		"Good":        {[]contracttest.Event{Fact{}, Wrapped{}}, ""},
		"None":        {nil, "no events"},
		"Pointer":     {[]contracttest.Event{&Fact{}}, "must be a struct"},
		"OtherName":   {[]contracttest.Event{OtherName{}}, "not things.other_name.v1"},
		"Unversioned": {[]contracttest.Event{Unversioned{}}, "not things.unversioned.v1"},
		"NoVersion":   {[]contracttest.Event{NoVersion{}}, "not the field version"},
		"NoKey":       {[]contracttest.Event{NoKey{}}, "id is not one of its fields"},
		"Hidden":      {[]contracttest.Event{PlacedThing{kind: "things.placed_thing.v1"}}, "PlacedThing.kind is hidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := &recorder{}
			contracttest.CheckEvents(r, "things", c.events...)

			if c.want == "" {
				require.Empty(t, r.failures)
				return
			}
			require.Len(t, r.failures, 1)
			require.Contains(t, r.failures[0], c.want)
		})
	}
}

func TestGolden(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SHOP_UPDATE_GOLDEN", "")

	r := &recorder{}
	contracttest.Golden(r, "fact", Fact{})
	require.Len(t, r.failures, 1, "a missing file fails")

	t.Setenv("SHOP_UPDATE_GOLDEN", "1")
	r = &recorder{}
	contracttest.Golden(r, "fact", Fact{Version: 1})
	require.Empty(t, r.failures)

	t.Setenv("SHOP_UPDATE_GOLDEN", "")
	contracttest.Golden(r, "fact", Fact{Version: 1})
	require.Empty(t, r.failures, "the same value passes")

	contracttest.Golden(r, "fact", Fact{Version: 2})
	require.Len(t, r.failures, 1, "another value fails")

	contracttest.Golden(r, "func", func() {})
	require.Len(t, r.failures, 2, "what cannot be encoded fails")
	_, err := os.Stat("testdata/func.json")
	require.Error(t, err)
}

// Two is a contract of two methods that take and give the same.
type Two interface {
	Place(ctx context.Context, in PlaceInput) (Line, error)
	Cancel(ctx context.Context, in CancelInput) (Line, error)
}

type (
	PlaceInput  struct{ Line }
	CancelInput struct{ Line }
)

// distant is Two in another process, with a fault planted.
type distant struct {
	rpc   *rpc.Client
	plant string
}

func (d distant) Place(ctx context.Context, in PlaceInput) (Line, error) {
	if d.plant == "ForgetsTheInput" {
		in = PlaceInput{}
	}
	out, err := rpc.Call[PlaceInput, Line](ctx, d.rpc, "things", "Place", in)
	if err != nil && d.plant == "HidesTheFault" {
		err = errors.New("it did not work")
	}
	return out, err
}

func (d distant) Cancel(ctx context.Context, in CancelInput) (Line, error) {
	name := "Cancel"
	if d.plant == "AsksAnother" {
		name = "Place"
	}
	out, err := rpc.Call[CancelInput, Line](ctx, d.rpc, "things", name, in)
	if d.plant == "ForgetsTheResult" {
		out.Quantity = 0
	}
	return out, err
}

func TestRemote(t *testing.T) {
	t.Parallel()
	for plant, want := range map[string]string{
		"":                 "",
		"ForgetsTheInput":  "Place: it was asked with",
		"HidesTheFault":    "Place: a fault came back as it did not work",
		"AsksAnother":      "Cancel: Place was asked",
		"ForgetsTheResult": "Cancel answered",
		"ServesHalf":       "Cancel: call things.Cancel: answered 404",
		"ServesTheWrong":   "things.Cancel takes PlaceInput",
	} {
		t.Run(plant, func(t *testing.T) {
			t.Parallel()

			r := &recorder{TB: t}
			contracttest.Remote(r, func(c *rpc.Client) Two { return distant{c, plant} }, func(s Two) []rpc.Method {
				methods := []rpc.Method{rpc.On("things", "Place", s.Place)}
				switch plant {
				case "ServesHalf":
				case "ServesTheWrong":
					methods = append(methods, rpc.On("things", "Cancel", s.Place))
				default:
					methods = append(methods, rpc.On("things", "Cancel", s.Cancel))
				}
				return methods
			})

			if want == "" {
				require.Empty(t, r.failures)
				return
			}
			require.Contains(t, strings.Join(r.failures, "\n"), want)
		})
	}
}
