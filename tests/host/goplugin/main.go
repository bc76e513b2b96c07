// The baseline of every ratio: a metric plugin made of the same modules as the host, as its authors would write one in
// Go. It asks its backend once a call, or answers from memory when the metric names none, and judges nothing.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
	goPlugin "github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func main() {
	goPlugin.Serve(&goPlugin.ServeConfig{
		HandshakeConfig: goPlugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: "metricprovider",
		},
		Plugins: map[string]goPlugin.Plugin{
			"RpcMetricProviderPlugin": &rpc.RpcMetricProviderPlugin{Impl: provider{}},
		},
	})
}

// provider keeps nothing between calls.
type provider struct{}

// settings are the part of Temper's configuration that the baseline reads.
type settings struct {
	Source struct {
		Prometheus struct {
			Address string
			Timeout string
		}
		Recording string
	}
	Step    string
	Horizon string
}

func (provider) InitPlugin() types.RpcError { return types.RpcError{} }

func (provider) Run(_ *v1alpha1.AnalysisRun, metric v1alpha1.Metric) v1alpha1.Measurement {
	now := metav1.Now()
	return measure(metric, v1alpha1.Measurement{StartedAt: &now, Metadata: map[string]string{"looks": "1"}})
}

func (provider) Resume(_ *v1alpha1.AnalysisRun, metric v1alpha1.Metric, last v1alpha1.Measurement) v1alpha1.Measurement {
	return measure(metric, last)
}

func (provider) Terminate(_ *v1alpha1.AnalysisRun, _ v1alpha1.Metric, last v1alpha1.Measurement) v1alpha1.Measurement {
	return finished(last, v1alpha1.AnalysisPhaseSuccessful, "terminated")
}

func (provider) GarbageCollect(*v1alpha1.AnalysisRun, v1alpha1.Metric, int) types.RpcError {
	return types.RpcError{}
}

func (provider) Type() string { return "RPCPlugin" }

func (provider) GetMetadata(metric v1alpha1.Metric) map[string]string {
	return map[string]string{"metric": metric.Name}
}

// measure looks once: successful at the horizon, running until then.
func measure(metric v1alpha1.Metric, last v1alpha1.Measurement) v1alpha1.Measurement {
	chosen, err := parse(metric)
	if err != nil {
		return finished(last, v1alpha1.AnalysisPhaseError, err.Error())
	}
	last.Message = ""
	if err := ask(chosen); err != nil {
		last.Message = err.Error()
	}
	if since(last) >= duration(chosen.Horizon, time.Minute) {
		return finished(last, v1alpha1.AnalysisPhaseSuccessful, last.Message)
	}
	resume := metav1.NewTime(time.Now().Add(duration(chosen.Step, time.Second)))
	last.Phase, last.ResumeAt = v1alpha1.AnalysisPhaseRunning, &resume
	return last
}

func parse(metric v1alpha1.Metric) (settings, error) {
	var chosen settings
	for _, raw := range metric.Provider.Plugin {
		if err := json.Unmarshal(raw, &chosen); err != nil {
			return chosen, fmt.Errorf("parse the configuration of metric %q: %w", metric.Name, err)
		}
	}
	if chosen.Source.Prometheus.Address == "" && chosen.Source.Recording == "" {
		return chosen, fmt.Errorf("metric %q has no source: name a Prometheus address or a recording", metric.Name)
	}
	return chosen, nil
}

// ask queries the backend once, within the timeout of the metric.
func ask(chosen settings) error {
	backend := chosen.Source.Prometheus
	if backend.Address == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), duration(backend.Timeout, 10*time.Second))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, backend.Address+"/api/v1/query?query=up", nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return reply.Body.Close()
}

func finished(last v1alpha1.Measurement, phase v1alpha1.AnalysisPhase, message string) v1alpha1.Measurement {
	now := metav1.Now()
	if last.StartedAt == nil {
		last.StartedAt = &now
	}
	last.Phase, last.Message, last.FinishedAt, last.ResumeAt = phase, message, &now, nil
	return last
}

func since(last v1alpha1.Measurement) time.Duration {
	if last.StartedAt == nil {
		return 0
	}
	return time.Since(last.StartedAt.Time)
}

func duration(text string, otherwise time.Duration) time.Duration {
	if parsed, err := time.ParseDuration(text); err == nil {
		return parsed
	}
	return otherwise
}
