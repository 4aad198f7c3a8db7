package contracttest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"testing"

	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/rpc"
)

// Remote fails the test unless the contract T is the same in another process: each method is asked by its own name with all of its
// input, and gives back all of the result, or the fault. newClient and serve are the two sides.
//
// Each call goes two hops. The first process serves a client of the second, where everything is answered as it was asked, with a result
// whose fields are all set.
func Remote[T any](t testing.TB, newClient func(*rpc.Client) T, serve func(T) []rpc.Method) {
	t.Helper()
	last := &answers{contract: reflect.TypeFor[T]()}
	second := httptest.NewServer(last)
	defer second.Close()
	toSecond := connect(t, second.URL)
	defer toSecond.Close()
	server, err := rpc.NewServer("", slog.New(slog.DiscardHandler), serve(newClient(toSecond))...)
	if err != nil {
		t.Errorf("serve the contract: %v", err)
		return
	}
	first := httptest.NewServer(server)
	defer first.Close()
	toFirst := connect(t, first.URL)
	defer toFirst.Close()

	client := reflect.ValueOf(newClient(toFirst))
	for m := range last.contract.Methods() {
		in := reflect.New(m.Type.In(1))
		fill(in.Elem(), 0)
		call := func() (reflect.Value, error) {
			out := client.MethodByName(m.Name).Call([]reflect.Value{reflect.ValueOf(t.Context()), in.Elem()})
			err, _ := out[1].Interface().(error)
			return out[0], err
		}

		last.expect(m.Name, in)
		got, err := call()
		switch want := last.result(m.Name); {
		case err != nil:
			t.Errorf("%s: %v", m.Name, err)
		case last.wrong != "":
			t.Errorf("%s: %s", m.Name, last.wrong)
		case !reflect.DeepEqual(got.Interface(), want.Elem().Interface()):
			t.Errorf("%s answered %+v, and not %+v", m.Name, got.Interface(), want.Elem().Interface())
		}

		last.fault = fault.New(fault.Conflict, "things.refused", "it was refused").WithDetail("by the other process")
		if _, err = call(); !errors.Is(err, last.fault) {
			t.Errorf("%s: a fault came back as %v", m.Name, err)
		}
		last.fault = nil
	}
}

func connect(t testing.TB, address string) *rpc.Client {
	t.Helper()
	c, err := rpc.NewClient(address, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answers is a process that answers every method of a contract.
type answers struct {
	contract reflect.Type
	method   string        // that must be asked
	input    reflect.Value // with which
	wrong    string
	fault    *fault.Error // nil: none
}

func (a *answers) expect(method string, input reflect.Value) {
	a.method, a.input, a.wrong = method, input, ""
}

func (a *answers) result(method string) reflect.Value {
	m, _ := a.contract.MethodByName(method)
	out := reflect.New(m.Type.Out(0))
	fill(out.Elem(), 0)
	return out
}

// ServeHTTP answers one call, which it has been told of.
func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.fault != nil {
		a.refuse(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	got := reflect.New(a.input.Type().Elem())
	switch asked := path.Base(r.URL.Path); {
	case err != nil:
		a.wrong = err.Error()
	case asked != a.method:
		a.wrong = asked + " was asked"
	case json.Unmarshal(body, got.Interface()) != nil || !reflect.DeepEqual(got.Interface(), a.input.Interface()):
		a.wrong = "it was asked with " + string(body)
	}
	out, err := json.Marshal(a.result(a.method).Interface())
	if err != nil {
		a.wrong = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out)
}

// refuse answers with the fault, as the server of calls does that every module has.
func (a *answers) refuse(w http.ResponseWriter, r *http.Request) {
	server, err := rpc.NewServer("", slog.New(slog.DiscardHandler), rpc.On("things", "Refuse", func(context.Context, refuseInput) (refuseInput, error) {
		return refuseInput{}, a.fault
	}))
	if err != nil {
		a.wrong = err.Error()
		return
	}
	r.URL.Path = "/rpc/things/Refuse"
	server.ServeHTTP(w, r)
}

type refuseInput struct{}
