// Package backend plays the Prometheus that a plugin asks: one that answers, and one that keeps it waiting.
package backend

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Prometheus is a server on loopback. What its counters say is made up: what is tested is the plugin's conduct towards its host.
type Prometheus struct {
	// URL to configure as the address.
	URL string
	// Asked receives a value for each query that has arrived.
	Asked  <-chan struct{}
	answer chan struct{}
	server *httptest.Server
}

// Answering answers at once.
func Answering(t testing.TB) *Prometheus {
	server := Serve()
	t.Cleanup(server.Close)
	return server
}

// Serve is Answering outside of a test. It wants to be closed.
func Serve() *Prometheus {
	server := hanging()
	server.Answer()
	return server
}

// Slow answers each query after a delay.
func Slow(t testing.TB, delay time.Duration) *Prometheus {
	server := serve(func() <-chan struct{} { return after(delay) })
	t.Cleanup(server.Close)
	return server
}

// Hanging answers nothing until Answer is called.
func Hanging(t testing.TB) *Prometheus {
	server := hanging()
	t.Cleanup(server.Close)
	return server
}

// Endless begins an answer and never ends it.
func Endless(t testing.TB) *Prometheus {
	asked := make(chan struct{}, 10000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		w.Write([]byte(`{"status":"success","data":{"resultType":"matrix","result":[`))
		series := []byte(strings.Repeat(`{"metric":{"pod":"c-0"},"values":[[1,"1"],[2,"2"]]},`, 1000))
		for {
			if _, err := w.Write(series); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.CloseClientConnections)
	return &Prometheus{URL: server.URL, Asked: asked, server: server}
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

// Close ends the server and the queries that wait.
func (p *Prometheus) Close() { p.server.CloseClientConnections() }

func hanging() *Prometheus {
	answer := make(chan struct{})
	server := serve(func() <-chan struct{} { return answer })
	server.answer = answer
	return server
}

// serve answers each query when it is ready.
func serve(ready func() <-chan struct{}) *Prometheus {
	asked := make(chan struct{}, 10000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default: // Nobody counts this far.
		}
		r.ParseForm() // The server hears of an asker that leaves only when the body has been read.
		select {
		case <-ready():
			reply(w, r)
		case <-r.Context().Done():
		}
	}))
	return &Prometheus{URL: server.URL, Asked: asked, server: server}
}

func after(delay time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(delay, func() { close(done) })
	return done
}
