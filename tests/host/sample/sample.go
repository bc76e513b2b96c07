// Package sample holds what a controller would pass to a plugin: runs made by a Rollout, metrics with their templates
// resolved.
package sample

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Secret is an argument of every run and a header of every query. It must never come back.
const Secret = "correct-horse-battery-staple"

// Metric is one that the plugin of the given name serves, from the given source.
func Metric(plugin string, source map[string]any) v1alpha1.Metric {
	return MetricOf(plugin, Configuration(source))
}

// Configuration is what a metric says to Temper. A look is over when a second is.
func Configuration(source map[string]any) map[string]any {
	return map[string]any{
		"source": source,
		"arms":   map[string]string{"canary": `pod=~"c.*"`, "stable": `pod=~"s.*"`},
		"errors": map[string]string{
			"total":  "queue_requests_total",
			"errors": `queue_requests_total{status="error"}`,
		},
		"step":    "1s",
		"horizon": "10s",
		"settle":  "0s",
	}
}

// MetricOf has any configuration at all.
func MetricOf(plugin string, configuration any) v1alpha1.Metric {
	raw, err := json.Marshal(configuration)
	if err != nil {
		panic(err)
	}
	count := intstr.FromInt(1)
	return v1alpha1.Metric{
		Name:     "queue-errors",
		Count:    &count,
		Provider: v1alpha1.MetricProvider{Plugin: map[string]json.RawMessage{plugin: raw}},
	}
}

// Prometheus is the source at an address. A query may take two seconds.
func Prometheus(address string) map[string]any {
	return map[string]any{"prometheus": map[string]any{
		"address": address,
		"timeout": "2s",
		"headers": map[string]string{"Authorization": "Bearer " + Secret},
	}}
}

// Run is the analysis of one canary step, in the middle of its life.
func Run(name string) *v1alpha1.AnalysisRun {
	started := metav1.NewTime(time.Now().Add(-5 * time.Second).Truncate(time.Second))
	secret, controller := Secret, true
	return &v1alpha1.AnalysisRun{
		TypeMeta: metav1.TypeMeta{Kind: "AnalysisRun", APIVersion: "argoproj.io/v1alpha1"},
		ObjectMeta: metav1.ObjectMeta{
			Name:              name,
			Namespace:         "streamforge",
			UID:               types.UID("0c5f8e5e-" + name),
			ResourceVersion:   "4711",
			CreationTimestamp: started,
			Labels:            map[string]string{"rollouts-pod-template-hash": "5c9d8f7b6", "rollout-type": "Step", "step-index": "1"},
			Annotations:       map[string]string{"rollout.argoproj.io/revision": "2"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "queue-manager", UID: "9e7b", Controller: &controller,
			}},
		},
		Spec: v1alpha1.AnalysisRunSpec{
			Metrics: []v1alpha1.Metric{{Name: "queue-errors"}},
			Args: []v1alpha1.Argument{{Name: "token", Value: &secret, ValueFrom: &v1alpha1.ValueFrom{
				SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "prometheus", Key: "token"},
			}}},
		},
		Status: v1alpha1.AnalysisRunStatus{Phase: v1alpha1.AnalysisPhaseRunning, StartedAt: &started},
	}
}

// LargeRun is a run of at least so many bytes, most of them in the measurements of another metric: a thousand each.
func LargeRun(name string, bytes int) *v1alpha1.AnalysisRun {
	random := rand.New(rand.NewSource(1))
	run := Run(name)
	other := v1alpha1.MetricResult{Name: "another", Phase: v1alpha1.AnalysisPhaseRunning}
	for written := 0; written < bytes; written += 1000 {
		finished := metav1.NewTime(run.Status.StartedAt.Add(time.Duration(written) * time.Millisecond))
		other.Measurements = append(other.Measurements, v1alpha1.Measurement{
			Phase:      v1alpha1.AnalysisPhaseSuccessful,
			StartedAt:  run.Status.StartedAt,
			FinishedAt: &finished,
			Value:      fmt.Sprint(random.Float64()),
			Metadata:   map[string]string{"evidence": strings.Repeat(string(rune('a'+random.Intn(26))), 1000)},
		})
	}
	run.Status.MetricResults = []v1alpha1.MetricResult{other}
	return run
}
