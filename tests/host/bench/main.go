// Bench prints how Temper compares with a plugin made of Go: both are started, asked and weighed in turn, in one run,
// so that what else the machine does hits both. It asserts nothing.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"text/tabwriter"

	"temper.test/host/backend"
)

func main() {
	if err := compareAll(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func compareAll() error {
	// The host shares the machine: the fewer its collections, the less of them is in the figures.
	debug.SetGCPercent(800)
	prometheus := backend.Serve()
	defer prometheus.Close()
	pair := rivals{temper(prometheus.URL), baseline()}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\ttemper\tgo plugin\tratio\twanted\t")
	for _, measure := range []func(rivals) ([]row, error){starts, roundTrips, memory} {
		rows, err := measure(pair)
		if err != nil {
			return err
		}
		for _, row := range rows {
			fmt.Fprintln(table, row)
		}
	}
	return table.Flush()
}

// row compares one figure of Temper with that of the plugin made of Go.
type row struct {
	name   string
	values [2]float64
	unit   string
	wanted string
}

func (r row) String() string {
	return fmt.Sprintf("%s\t%.3g %s\t%.3g %s\t%.2fx\t%s\t",
		r.name, r.values[0], r.unit, r.values[1], r.unit, r.values[0]/r.values[1], r.wanted)
}

// compare takes the quantile q of the samples of both.
func compare(name string, samples [2][]float64, q float64, unit, wanted string) row {
	return row{name, [2]float64{quantile(samples[0], q), quantile(samples[1], q)}, unit, wanted}
}

func quantile(samples []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
