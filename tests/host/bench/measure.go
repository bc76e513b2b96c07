package main

import (
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// How much is measured. Batches alternate between the rivals.
const (
	startups   = 30
	batches    = 40
	batchCalls = 160
	weighings  = 5
)

// starts measures from the start of the process to its handshake.
func starts(pair rivals) ([]row, error) {
	var took [2][]float64
	for range startups {
		for i, rival := range pair {
			began := time.Now()
			process, err := rival.spawn()
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
func roundTrips(pair rivals) ([]row, error) {
	var both [2]*asked
	for i, rival := range pair {
		running, err := rival.open()
		if err != nil {
			return nil, err
		}
		defer running.Discard()
		both[i] = running
	}
	var rows []row
	for _, callers := range []int{1, 16} {
		took, err := alternate(both, runs(callers))
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("Run, callers: %d, ", callers)
		rows = append(rows, compare(name+"p50", took, 0.5, "ms", ""), compare(name+"p99", took, 0.99, "ms", "<= 0.50x"))
	}
	return rows, nil
}

// alternate lets the rivals answer in turn. The first batch of each is not counted: it defines types and fills memories.
func alternate(both [2]*asked, runs []*v1alpha1.AnalysisRun) ([2][]float64, error) {
	var took [2][]float64
	for number := range batches + 1 {
		for i, plugin := range both {
			samples, err := batch(plugin, runs)
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

// batch makes batchCalls calls from as many callers as there are runs, and returns what each took.
func batch(plugin *asked, runs []*v1alpha1.AnalysisRun) ([]float64, error) {
	took := make([]float64, batchCalls)
	var callers errgroup.Group
	for caller, run := range runs {
		callers.Go(func() (err error) {
			for call := caller; call < batchCalls && err == nil; call += len(runs) {
				took[call], err = plugin.run(run)
			}
			return err
		})
	}
	return took, callers.Wait()
}

// memory weighs a fresh process, and the same one after a thousand runs.
func memory(pair rivals) ([]row, error) {
	var idle, busy [2][]float64
	for range weighings {
		for i, rival := range pair {
			before, after, err := weigh(rival)
			if err != nil {
				return nil, err
			}
			idle[i], busy[i] = append(idle[i], before), append(busy[i], after)
		}
	}
	return []row{
		compare("resident, idle", idle, 0.5, "MiB", "<= 0.25x"),
		compare("resident, after 1000 runs", busy, 0.5, "MiB", "<= 0.25x"),
	}, nil
}

func weigh(rival rival) (idle, busy float64, err error) {
	running, err := rival.open()
	if err != nil {
		return 0, 0, err
	}
	defer running.Discard()
	idle = running.mebibytes()
	run := runs(1)[0]
	for range 1000 {
		if _, err := running.run(run); err != nil {
			return 0, 0, err
		}
	}
	return idle, running.mebibytes(), nil
}
