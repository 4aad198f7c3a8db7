package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kinds of fault. What Toss has decided and what the caller learns differ in each.
const (
	FaultTimeout            = "timeout"              // never answers, does nothing
	FaultReset              = "reset"                // breaks the connection, does nothing
	Fault500                = "500"                  // answers 500, does nothing
	Fault429                = "429"                  // answers 429, does nothing
	FaultCode               = "code"                 // refuses with Code; a decline ends the payment
	FaultSlow               = "slow"                 // answers after DelayMS
	FaultHold               = "hold"                 // works and answers once the faults are cleared
	FaultAfterCommitReset   = "after_commit_reset"   // does it, and breaks the connection
	FaultAfterCommitTimeout = "after_commit_timeout" // does it, and never answers
)

var faultKinds = []string{FaultTimeout, FaultReset, Fault500, Fault429, FaultCode, FaultSlow, FaultHold, FaultAfterCommitReset, FaultAfterCommitTimeout}

// Fault is something that will go wrong.
type Fault struct {
	Path    string `json:"path"`  // a part of the path it waits for; empty: any call of the API
	Count   int    `json:"count"` // how many calls it spoils; 0: one; negative: all
	Kind    string `json:"kind"`
	Code    string `json:"code,omitempty"`
	DelayMS int64  `json:"delay_ms,omitempty"`

	cleared chan struct{}
	clear   *sync.Once
}

const maxFaults = 1000

// Inject adds a fault, behind those that are there.
func (e *Emulator) Inject(f Fault) {
	f.Count = max(f.Count, -1)
	if f.Count == 0 {
		f.Count = 1
	}
	f.cleared, f.clear = make(chan struct{}), new(sync.Once)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, &f)
}

// Release clears every fault; calls that one of them holds go on.
func (e *Emulator) Release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.faults {
		f.clear.Do(func() { close(f.cleared) })
	}
	e.faults = nil
}

// take returns the fault that spoils a call, or nil. A spent fault stays in the list so that Release reaches those whom it holds.
func (e *Emulator) take(path string) *Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.faults {
		if f.Count != 0 && strings.Contains(path, f.Path) {
			if f.Count > 0 {
				f.Count--
			}
			return f
		}
	}
	return nil
}

// before spoils a call that Toss never gets to see. It tells whether that is all.
func (f *Fault) before(w http.ResponseWriter, r *http.Request) bool {
	if f == nil {
		return false
	}
	switch f.Kind {
	case FaultTimeout:
		f.silence(r)
	case FaultReset:
		panic(http.ErrAbortHandler)
	case Fault500:
		writeJSON(w, http.StatusInternalServerError, refuse("FAILED_INTERNAL_SYSTEM_PROCESSING").encode(r.Header.Get("Accept-Language")))
	case Fault429:
		writeJSON(w, http.StatusTooManyRequests, refuse("TOO_MANY_REQUESTS").encode(r.Header.Get("Accept-Language")))
	default:
		return false
	}
	return true
}

// within delays a call that Toss is working on.
func (f *Fault) within() {
	if f == nil {
		return
	}
	switch f.Kind {
	case FaultSlow:
		t := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-f.cleared:
		}
	case FaultHold:
		<-f.cleared
	}
}

// after spoils the answer of a call that was done. It tells whether it did.
func (f *Fault) after(r *http.Request) bool {
	if f == nil {
		return false
	}
	switch f.Kind {
	case FaultAfterCommitReset:
		panic(http.ErrAbortHandler)
	case FaultAfterCommitTimeout:
		f.silence(r)
		return true
	}
	return false
}

func (f *Fault) code() string {
	if f == nil || f.Kind != FaultCode {
		return ""
	}
	return f.Code
}

// silence holds the line until the caller hangs up, and then breaks it.
func (f *Fault) silence(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-f.cleared:
	}
	panic(http.ErrAbortHandler)
}

func (e *Emulator) listFaults(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	open := []Fault{}
	for _, f := range e.faults {
		if f.Count != 0 {
			open = append(open, *f)
		}
	}
	e.mu.Unlock()
	writeJSON(w, http.StatusOK, ok(map[string]any{"items": open}).encode(""))
}

func (e *Emulator) addFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&f) != nil || !slices.Contains(faultKinds, f.Kind) ||
		(f.Kind == FaultCode) != (f.Code != "") || f.DelayMS < 0 || f.DelayMS > 600_000 {
		e.answer(w, r, refuse("INVALID_REQUEST"))
		return
	}
	e.mu.Lock()
	full := len(e.faults) >= maxFaults
	e.mu.Unlock()
	if full {
		e.answer(w, r, refuse("TOO_MANY_REQUESTS"))
		return
	}
	e.Inject(f)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Emulator) clearFaults(w http.ResponseWriter, _ *http.Request) {
	e.Release()
	w.WriteHeader(http.StatusNoContent)
}

func (e *Emulator) listRequests(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, ok(map[string]any{"items": e.Requests()}).encode(""))
}
