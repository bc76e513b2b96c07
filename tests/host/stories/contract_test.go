package stories

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"temper.test/host/argo"
	"temper.test/host/backend"
	"temper.test/host/plugin"
	"temper.test/host/sample"
)

func TestEveryCallOfTheContractIsAnswered(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	metric := sample.Metric(controller.Name, sample.Prometheus(backend.Answering(t).URL))
	run := sample.Run("every-call")
	provider := controller.MustPlugin(t)

	first := provider.Run(run, metric)
	keepsTheContract(t, "Run", first)
	resumed := provider.Resume(run, metric, first)
	keepsTheContract(t, "Resume", resumed)
	terminated := provider.Terminate(run, metric, resumed)
	keepsTheContract(t, "Terminate", terminated)
	if !terminated.Phase.Completed() {
		t.Errorf("Terminate answered %q: a run that it leaves unfinished is terminated for ever", terminated.Phase)
	}
	if failed := provider.GarbageCollect(run, metric, 10); failed.HasError() {
		t.Errorf("GarbageCollect failed, so the history of the run grows without bound: %v", failed)
	}
	if kind := provider.Type(); kind == "" || strings.Contains(kind, "rpc call error") {
		t.Errorf("Type answered %q", kind)
	}
	if failed, ok := provider.GetMetadata(metric)["error"]; ok {
		t.Errorf("GetMetadata failed: %s", failed)
	}
}

func TestAMeasurementKeepsItsStartAndItsMetadata(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	metric := sample.Metric(controller.Name, sample.Prometheus(backend.Answering(t).URL))
	run := sample.Run("start")
	provider := controller.MustPlugin(t)
	for name, call := range map[string]func(*v1alpha1.AnalysisRun, v1alpha1.Metric, v1alpha1.Measurement) v1alpha1.Measurement{
		"Resume":    provider.Resume,
		"Terminate": provider.Terminate,
	} {
		last := provider.Run(run, metric)
		began := metav1.NewTime(time.Now().Add(-3 * time.Second).Truncate(time.Second))
		last.StartedAt = &began
		if last.Metadata == nil {
			last.Metadata = map[string]string{}
		}
		last.Metadata["noted"] = "before"
		answer := call(run, metric, last)
		keepsTheContract(t, name, answer)
		if answer.StartedAt != nil && !answer.StartedAt.Time.Equal(began.Time) {
			t.Errorf("%s moved the start from %s to %s", name, began, answer.StartedAt)
		}
		if answer.Metadata["noted"] != "before" {
			t.Errorf("%s lost metadata: %v", name, answer.Metadata)
		}
	}
}

func TestSecretsNeverComeBack(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	provider := controller.MustPlugin(t)
	run := sample.Run("secrets")
	for name, address := range map[string]string{
		"a backend that answers": backend.Answering(t).URL,
		"a backend that is down": "http://reader:" + sample.Secret + "@127.0.0.1:1",
	} {
		metric := sample.Metric(controller.Name, sample.Prometheus(address))
		answer := provider.Run(run, metric)
		hasNoSecret(t, "Run with "+name, answer)
		hasNoSecret(t, "Terminate with "+name, provider.Terminate(run, metric, answer))
		hasNoSecret(t, "GetMetadata with "+name, provider.GetMetadata(metric))
		hasNoSecret(t, "GarbageCollect with "+name, provider.GarbageCollect(run, metric, 1))
	}
}

func TestATemplateForAnotherPluginIsRefusedInWords(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	provider := controller.MustPlugin(t)
	for name, configuration := range map[string]any{
		"another plugin's": map[string]any{"query": "up", "address": "http://prometheus:9090"},
		"an empty object":  map[string]any{},
		"null":             nil,
		"a list":           []int{1, 2, 3},
		"a text":           "prometheus",
		"deep":             json.RawMessage(strings.Repeat(`{"source":`, 5000) + "1" + strings.Repeat("}", 5000)),
	} {
		answer := provider.Run(sample.Run("foreign"), sample.MetricOf(controller.Name, configuration))
		keepsTheContract(t, name, answer)
		if answer.Phase != v1alpha1.AnalysisPhaseError {
			t.Errorf("%s configuration: judged %q, on what?", name, answer.Phase)
		}
		if reason := strings.TrimPrefix(answer.Message, "failed to run via plugin: "); len(strings.Fields(reason)) < 4 {
			t.Errorf("%s configuration: the message does not say what is wrong: %q", name, answer.Message)
		}
	}
}

func TestARunWithoutAnythingIsAnswered(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	provider := controller.MustPlugin(t)
	for name, run := range map[string]*v1alpha1.AnalysisRun{"empty": {}, "absent": nil} {
		keepsTheContract(t, name, provider.Run(run, v1alpha1.Metric{}))
		keepsTheContract(t, name, provider.Resume(run, v1alpha1.Metric{}, v1alpha1.Measurement{}))
		keepsTheContract(t, name, provider.Terminate(run, v1alpha1.Metric{}, v1alpha1.Measurement{}))
	}
}

func TestTimesOfEveryZoneAreUnderstood(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	provider := controller.MustPlugin(t)
	metric := sample.Metric(controller.Name, sample.Prometheus(backend.Answering(t).URL))
	for name, zone := range map[string]*time.Location{
		"UTC":                 time.UTC,
		"whole minutes":       time.FixedZone("", 5*3600+30*60),
		"seconds beside them": time.FixedZone("", -(3*3600 + 17)),
	} {
		run := sample.Run("zone")
		began := metav1.NewTime(run.Status.StartedAt.In(zone))
		run.Status.StartedAt, run.CreationTimestamp = &began, began
		answer := provider.Resume(run, metric, v1alpha1.Measurement{Phase: v1alpha1.AnalysisPhaseRunning, StartedAt: &began})
		keepsTheContract(t, name, answer)
		if answer.StartedAt != nil && !answer.StartedAt.Time.Equal(began.Time) {
			t.Errorf("%s: the start came back as %s, not %s", name, answer.StartedAt, began)
		}
	}
}

// keepsTheContract checks what the controller relies on in every measurement.
func keepsTheContract(t *testing.T, call string, answer v1alpha1.Measurement) {
	t.Helper()
	if strings.Contains(answer.Message, "rpc call error") {
		t.Fatalf("%s failed as a call: %s", call, answer.Message)
	}
	if answer.StartedAt == nil {
		t.Errorf("%s: StartedAt is not set, and the controller does not set it", call)
	}
	switch answer.Phase {
	case v1alpha1.AnalysisPhaseRunning:
		if answer.ResumeAt == nil {
			t.Errorf("%s: running without ResumeAt: nobody would resume it", call)
		}
		if answer.FinishedAt != nil {
			t.Errorf("%s: running, but finished at %s", call, answer.FinishedAt)
		}
	case v1alpha1.AnalysisPhaseSuccessful, v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseInconclusive, v1alpha1.AnalysisPhaseError:
		if answer.FinishedAt == nil {
			t.Errorf("%s: %s, but not finished", call, answer.Phase)
		}
	default:
		t.Errorf("%s: no such phase for a measurement: %q", call, answer.Phase)
	}
}

func hasNoSecret(t *testing.T, what string, answer any) {
	t.Helper()
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if strings.Contains(string(text), sample.Secret) {
		t.Errorf("%s shows a secret: %s", what, text)
	}
}
