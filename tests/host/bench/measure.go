package main

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"

	"temper.test/host/plugin"
	"temper.test/host/sample"
)

// How much is measured. Batches alternate between the rivals.
const (
	startups   = 30
	batches    = 40
	batchCalls = 160
	weighings  = 5
)

// starts measures from the start of the process to its handshake.
func starts(rivals [2]string) ([]row, error) {
	var took [2][]float64
	for range startups {
		for i, binary := range rivals {
			began := time.Now()
			process, err := plugin.Spawn(binary, plugin.Controller...)
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], milliseconds(began))
			process.Discard()
		}
	}
	return []row{compare("start to handshake, p50", took, 0.5, "ms", "<= 0.50x, <= 10 ms")}, nil
}

// roundTrips measures Run with the source in memory, from one caller and from sixteen.
func roundTrips(rivals [2]string) ([]row, error) {
	var sessions [2]*plugin.Session
	for i, binary := range rivals {
		process, session, err := open(binary)
		if err != nil {
			return nil, err
		}
		defer process.Discard()
		sessions[i] = session
	}
	var rows []row
	for _, callers := range []int{1, 16} {
		took, err := alternate(sessions, callers)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("Run, callers: %d, ", callers)
		rows = append(rows, compare(name+"p50", took, 0.5, "ms", ""), compare(name+"p99", took, 0.99, "ms", "<= 0.50x"))
	}
	return rows, nil
}

// alternate lets the rivals answer in turn. The first batch of each is not counted: it carries the type definitions.
func alternate(sessions [2]*plugin.Session, callers int) ([2][]float64, error) {
	var took [2][]float64
	for number := range batches + 1 {
		for i, session := range sessions {
			samples, err := batch(session, callers)
			if err != nil {
				return took, err
			}
			if number > 0 {
				took[i] = append(took[i], samples...)
			}
		}
	}
	return took, nil
}

// batch makes batchCalls calls from so many callers, and returns what each took in milliseconds.
func batch(session *plugin.Session, callers int) ([]float64, error) {
	took := make([]float64, batchCalls)
	var failed error
	var ends sync.WaitGroup
	var once sync.Once
	for caller := range callers {
		ends.Add(1)
		go func() {
			defer ends.Done()
			for call := caller; call < batchCalls; call += callers {
				began := time.Now()
				answer := session.Run(run, metric)
				took[call] = milliseconds(began)
				if err := check(answer); err != nil {
					once.Do(func() { failed = err })
				}
			}
		}()
	}
	ends.Wait()
	return took, failed
}

// memory weighs a fresh process, and the same one after a thousand runs.
func memory(rivals [2]string) ([]row, error) {
	var idle, busy [2][]float64
	for range weighings {
		for i, binary := range rivals {
			process, session, err := open(binary)
			if err != nil {
				return nil, err
			}
			idle[i] = append(idle[i], mebibytes(process))
			for range 1000 {
				if err := check(session.Run(run, metric)); err != nil {
					return nil, err
				}
			}
			busy[i] = append(busy[i], mebibytes(process))
			process.Discard()
		}
	}
	return []row{
		compare("resident, idle", idle, 0.5, "MiB", "<= 0.25x"),
		compare("resident, after 1000 runs", busy, 0.5, "MiB", "<= 0.25x"),
	}, nil
}

// What every call asks for. The source of the metric is a recording, so nothing but the plugin's work is in the figures.
var (
	run    = sample.Run("bench")
	metric v1alpha1.Metric
)

func open(binary string) (*plugin.Process, *plugin.Session, error) {
	process, err := plugin.Spawn(binary, plugin.Controller...)
	if err != nil {
		return nil, nil, err
	}
	network, address := process.Address()
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", binary, err)
	}
	session, err := plugin.Open(conn)
	return process, session, err
}

// check refuses to measure how fast a plugin fails.
func check(answer v1alpha1.Measurement) error {
	if answer.Phase == v1alpha1.AnalysisPhaseError || strings.Contains(answer.Message, "rpc call error") {
		return fmt.Errorf("Run answered %q: %s", answer.Phase, answer.Message)
	}
	return nil
}

func milliseconds(since time.Time) float64 {
	return time.Since(since).Seconds() * 1e3
}

func mebibytes(process *plugin.Process) float64 {
	return float64(plugin.Resident(process.Process.Pid)) / (1 << 20)
}
