// Package backend plays the Prometheus that a plugin asks: one that answers, and one that keeps it waiting.
package backend

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Prometheus is a server on loopback. Its series have no samples: what is tested is the plugin's conduct towards its host.
type Prometheus struct {
	// URL to configure as the address.
	URL string
	// Asked receives a value for each query that has arrived.
	Asked  chan struct{}
	answer chan struct{}
}

// Answering answers at once.
func Answering(t testing.TB) *Prometheus {
	server := Hanging(t)
	server.Answer()
	return server
}

// Slow answers each query after a delay.
func Slow(t testing.TB, delay time.Duration) *Prometheus {
	server := &Prometheus{Asked: make(chan struct{}, 10000)}
	return server.serve(t, func() <-chan struct{} { return after(delay) })
}

// Hanging answers nothing until Answer is called.
func Hanging(t testing.TB) *Prometheus {
	server := &Prometheus{Asked: make(chan struct{}, 10000), answer: make(chan struct{})}
	return server.serve(t, func() <-chan struct{} { return server.answer })
}

// Answer releases the queries that wait and all later ones.
func (p *Prometheus) Answer() { close(p.answer) }

// Await returns when so many queries have arrived.
func (p *Prometheus) Await(t testing.TB, queries int) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for range queries {
		select {
		case <-p.Asked:
		case <-deadline:
			t.Fatalf("waited 30 s for %d queries to reach the backend", queries)
		}
	}
}

func (p *Prometheus) serve(t testing.TB, ready func() <-chan struct{}) *Prometheus {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case p.Asked <- struct{}{}:
		default: // Nobody counts this far.
		}
		select {
		case <-ready():
			reply(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.CloseClientConnections)
	p.URL = server.URL
	return p
}

func reply(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	kind := "vector"
	if r.URL.Path == "/api/v1/query_range" {
		kind = "matrix"
	}
	w.Write([]byte(`{"status":"success","data":{"resultType":"` + kind + `","result":[]}}`))
}

func after(delay time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(delay, func() { close(done) })
	return done
}
