package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"temper.test/host/plugin"
	"temper.test/host/sample"
)

// rivals are Temper and the plugin made of Go.
type rivals [2]rival

// rival is a plugin, and what it is asked.
type rival struct {
	binary string
	metric v1alpha1.Metric
}

// temper judges ten intervals of three pods a version, which it has in memory after the first call, anew at each call. It must
// not come to a verdict, since it then forgets them.
func temper(prometheus string) rival {
	configuration := sample.Configuration(sample.Prometheus(prometheus))
	configuration["step"], configuration["horizon"], configuration["earlyPass"] = "30s", "24h", false
	return rival{os.Getenv("TEMPER_BIN"), sample.MetricOf("temper/plugin", configuration)}
}

// baseline answers from memory, and judges nothing.
func baseline() rival {
	return rival{os.Getenv("GO_PLUGIN"), sample.Metric("temper/plugin", map[string]any{"recording": "none"})}
}

func (r rival) spawn() (*plugin.Process, error) {
	return plugin.Spawn(r.binary, plugin.Controller...)
}

// open starts the rival and connects the controller's client to it.
func (r rival) open() (*asked, error) {
	process, err := r.spawn()
	if err != nil {
		return nil, err
	}
	network, address := process.Address()
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", r.binary, err)
	}
	session, err := plugin.Open(conn)
	return &asked{process, session, r.metric}, err
}

// asked is a rival that runs.
type asked struct {
	*plugin.Process
	session *plugin.Session
	metric  v1alpha1.Metric
}

// run asks once, and returns how long the answer took in milliseconds. How fast a plugin fails is not measured.
func (a *asked) run(run *v1alpha1.AnalysisRun) (float64, error) {
	began := time.Now()
	answer := a.session.Run(run, a.metric)
	took := milliseconds(began)
	if answer.Phase != v1alpha1.AnalysisPhaseRunning || strings.Contains(answer.Message, "waiting for") {
		return 0, fmt.Errorf("Run answered %q instead of running: %s", answer.Phase, answer.Message)
	}
	return took, nil
}

func (a *asked) mebibytes() float64 {
	return float64(plugin.Resident(a.Process.Process.Pid)) / (1 << 20)
}

// runs are AnalysisRuns that began five minutes ago, one for each caller.
func runs(callers int) []*v1alpha1.AnalysisRun {
	created := metav1.NewTime(time.Now().Add(-5 * time.Minute).Truncate(time.Second))
	var all []*v1alpha1.AnalysisRun
	for caller := range callers {
		run := sample.Run(fmt.Sprint("bench-", caller))
		run.CreationTimestamp, run.Status.StartedAt = created, &created
		all = append(all, run)
	}
	return all
}

func milliseconds(since time.Time) float64 {
	return time.Since(since).Seconds() * 1e3
}
