package stories

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"

	"temper.test/host/argo"
	"temper.test/host/backend"
	"temper.test/host/plugin"
	"temper.test/host/sample"
)

// A host that pings and gets no answer kills the plugin. A second is what we allow a ping, whatever else goes on.
const promptly = time.Second

// A call has a deadline of its own, since the controller gives it none: here two seconds a query, and a few of them.
const bounded = 15 * time.Second

func TestPingsAreAnsweredWhileTheBackendHangs(t *testing.T) {
	prometheus := backend.Hanging(t)
	controller, answers := callsInFlight(t, prometheus, 8)
	for range 20 {
		began := time.Now()
		controller.MustPlugin(t) // It pings.
		if took := time.Since(began); took > promptly {
			t.Fatalf("a ping took %s while the backend hangs", took)
		}
	}
	for range 8 {
		select {
		case answer := <-answers:
			keepsTheContract(t, "Run on a backend that hangs", answer)
		case <-time.After(bounded):
			t.Fatalf("a call on a backend that hangs has no answer after %s: it holds a worker of the controller", bounded)
		}
	}
}

func TestABackendOfFiveSecondsIsNotWaitedFor(t *testing.T) {
	_, answers := callsInFlight(t, backend.Slow(t, 5*time.Second), 1)
	select {
	case answer := <-answers:
		keepsTheContract(t, "Run on a slow backend", answer)
		if answer.Phase == v1alpha1.AnalysisPhaseSuccessful || answer.Phase == v1alpha1.AnalysisPhaseFailed {
			t.Errorf("judged %q on nothing", answer.Phase)
		}
		if answer.Message == "" {
			t.Error("the message does not say that the backend did not answer")
		}
	case <-time.After(bounded):
		t.Fatalf("no answer after %s, though a query may take two", bounded)
	}
}

func TestBackendsThatNeverEndTheirAnswersStayWithinMemory(t *testing.T) {
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	metric := sample.Metric("temper/plugin", sample.Prometheus(backend.Endless(t).URL))
	answers := make(chan v1alpha1.Measurement, workers)
	for worker := range workers {
		go func() { answers <- session.Run(sample.Run(fmt.Sprint("endless-", worker)), metric) }()
	}
	defer process.StaysBounded(t)
	answered(t, answers, workers)
}

func TestNinetySecondsOfIdlenessChangeNothing(t *testing.T) {
	if os.Getenv("TEMPER_LONG") == "" {
		t.Skip("takes 90 s: set TEMPER_LONG=1")
	}
	// The host gives up an unacknowledged stream after 75 s, and pings every 30.
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	metric := sample.Metric("temper/plugin", sample.Prometheus(backend.Answering(t).URL))
	keepsTheContract(t, "Run before", session.Run(sample.Run("idle"), metric))
	select {
	case <-process.Done():
		t.Fatal("the plugin ended while nobody asked it anything")
	case <-time.After(90 * time.Second):
	}
	if err := session.Ping(); err != nil {
		t.Fatalf("ping after 90 s: %v", err)
	}
	keepsTheContract(t, "Run after", session.Run(sample.Run("idle"), metric))
}

// callsInFlight starts so many calls of Run and returns when the backend has got a query. Their answers will follow.
func callsInFlight(t *testing.T, prometheus *backend.Prometheus, calls int) (*argo.Controller, <-chan v1alpha1.Measurement) {
	t.Helper()
	controller := argo.Install(t, plugin.Binary(t))
	metric := sample.Metric(controller.Name, sample.Prometheus(prometheus.URL))
	provider := controller.MustPlugin(t)
	answers := make(chan v1alpha1.Measurement, calls)
	for range calls {
		go func() { answers <- provider.Run(sample.Run("in-flight"), metric) }()
	}
	prometheus.Await(t, 1)
	return controller, answers
}
