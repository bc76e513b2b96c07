package stories

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"temper.test/host/argo"
	"temper.test/host/backend"
	"temper.test/host/plugin"
	"temper.test/host/sample"
)

// A controller has thirty workers, and each runs the metrics of its AnalysisRun in parallel.
const (
	workers = 30
	metrics = 4
)

func TestCallsAtTheSameTimeGetTheirOwnAnswers(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	source := sample.Prometheus(backend.Answering(t).URL)
	var calls sync.WaitGroup
	for worker := range workers {
		for index := range metrics {
			calls.Add(1)
			go func() {
				defer calls.Done()
				began := metav1.NewTime(time.Unix(1_800_000_000+int64(worker*metrics+index), 0))
				provider, err := controller.Plugin()
				if err != nil {
					t.Errorf("worker %d: %v", worker, err)
					return
				}
				run := sample.Run(fmt.Sprintf("run-%d", worker))
				metric := sample.Metric(controller.Name, source)
				metric.Name = fmt.Sprintf("metric-%d", index)
				keepsTheContract(t, "Run", provider.Run(run, metric))
				answer := provider.Terminate(run, metric, v1alpha1.Measurement{Phase: v1alpha1.AnalysisPhaseRunning, StartedAt: &began})
				if answer.StartedAt == nil || !answer.StartedAt.Time.Equal(began.Time) {
					t.Errorf("worker %d asked about a measurement of %s and was told of %s", worker, began, answer.StartedAt)
				}
			}()
		}
	}
	calls.Wait()
}

func TestLargeRunsAreAnswered(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	metric := sample.Metric(controller.Name, sample.Prometheus(backend.Answering(t).URL))
	provider := controller.MustPlugin(t)
	for _, bytes := range []int{250_000, 300_000, 1_000_000, 1_500_000, 3_000_000} {
		run := sample.LargeRun("large", bytes)
		answer := provider.Run(run, metric)
		keepsTheContract(t, fmt.Sprintf("Run of %d bytes", bytes), answer)
		keepsTheContract(t, fmt.Sprintf("Resume of %d bytes", bytes), provider.Resume(run, metric, answer))
	}
}

func TestALargeMeasurementIsAnswered(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	metric := sample.Metric(controller.Name, sample.Prometheus(backend.Answering(t).URL))
	provider := controller.MustPlugin(t)
	last := provider.Run(sample.Run("large-measurement"), metric)
	if last.Metadata == nil {
		last.Metadata = map[string]string{}
	}
	for i := range 1000 {
		last.Metadata[fmt.Sprintf("theirs-%d", i)] = fmt.Sprintf("%01000d", i)
	}
	keepsTheContract(t, "Terminate", provider.Terminate(sample.Run("large-measurement"), metric, last))
}

func TestManyLargeRunsAtTheSameTimeStayWithinMemory(t *testing.T) {
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	metric := sample.Metric("temper/plugin", sample.Prometheus(backend.Answering(t).URL))
	run := sample.LargeRun("large", 1_000_000)
	var calls sync.WaitGroup
	for range workers {
		calls.Add(1)
		go func() {
			defer calls.Done()
			keepsTheContract(t, "Run", session.Run(run, metric))
		}()
	}
	calls.Wait()
	process.StaysBounded(t)
}
