package stories

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"

	"temper.test/host/backend"
	"temper.test/host/container"
	"temper.test/host/plugin"
	"temper.test/host/sample"
)

// What kubelet writes for a pod, but for the address of the name server and a host alias.
var kubelet = container.Files{
	Hosts: "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"# Entries added by HostAliases.\n127.0.0.1\tprometheus-alias\n",
	Resolv: "search argo-rollouts.svc.cluster.local svc.cluster.local cluster.local\nnameserver 127.0.0.1\noptions ndots:5\n",
}

// A service as the cluster's name server knows it.
const service = "prometheus.monitoring.svc.cluster.local."

func TestFromAnEmptyReadOnlyRootItReachesPrometheusByName(t *testing.T) {
	if !container.Enter(t) {
		return
	}
	names := container.ServeNames(t, service)
	root := container.ReadOnly(t, plugin.Binary(t), kubelet)
	for kind, host := range map[string]string{
		"a service of another namespace": "prometheus.monitoring",
		"its full name":                  "prometheus.monitoring.svc.cluster.local",
		"a host alias":                   "prometheus-alias",
		"localhost":                      "localhost",
		"an address":                     "127.0.0.1",
	} {
		t.Run(kind, func(t *testing.T) { judgesFrom(t, root, host) })
	}
	asked := names.Asked()
	t.Logf("the name server was asked for %q", asked)
	if !slices.Contains(asked, service) {
		t.Errorf("the name server was not asked for %s", service)
	}
}

func TestWhatEtcHostsKnowsNeedsNoNameServer(t *testing.T) {
	if !container.Enter(t) {
		return
	}
	names := container.ServeNames(t, service)
	root := container.ReadOnly(t, plugin.Binary(t), kubelet)
	for _, host := range []string{"prometheus-alias", "localhost"} {
		judgesFrom(t, root, host)
	}
	if asked := names.Asked(); len(asked) != 0 {
		t.Errorf("the name server was asked for %q: whoever serves it decides where the query goes", asked)
	}
}

func TestInAnEmptyRootOfItsOwnItWritesNothingOutsideTMPDIR(t *testing.T) {
	if !container.Enter(t) {
		return
	}
	container.ServeNames(t, service)
	root := container.Writable(t, plugin.Binary(t), kubelet)
	before := root.Listing(t)
	judgesFrom(t, root, "prometheus.monitoring")
	if after := root.Listing(t); !slices.Equal(before, after) {
		t.Errorf("it changed its root from\n%s to\n%s", before, after)
	}
}

// judgesFrom lets the plugin in the root ask Prometheus at a host for a look, and end.
func judgesFrom(t *testing.T, root *container.Root, host string) {
	t.Helper()
	prometheus := backend.Answering(t)
	provider, client := plugin.Hosted(t, root.Command(t))
	answer := provider.Run(sample.Run("by-name"), sample.Metric("temper/plugin", sample.Prometheus(at(t, host, prometheus))))
	keepsTheContract(t, "Run", answer)
	t.Logf("from %s: %s %s", host, answer.Phase, answer.Message)
	if answer.Phase == v1alpha1.AnalysisPhaseError || len(prometheus.Asked) == 0 {
		t.Errorf("Prometheus at %s was not reached: %s", host, answer.Message)
	}
	// Of five looks of a second one has counts: the pods are scraped every five.
	evidence := answer.Metadata["evidence"]
	served := strings.Contains(evidence, `"canary":{"errors":`) && !strings.Contains(evidence, `"requests":0}`)
	if plugin.IsTemper() && !served {
		t.Errorf("judged by %s of what Prometheus at %s counts: %s", evidence, host, answer.Message)
	}
	client.Kill()
	// One made of Go may be killed before it has removed its socket.
	if left, err := os.ReadDir(root.TMPDIR); plugin.IsTemper() && (err != nil || len(left) != 0) {
		t.Errorf("it left %v in TMPDIR (%v)", left, err)
	}
}

// at is the address of a server under another name of its host.
func at(t *testing.T, host string, server *backend.Prometheus) string {
	t.Helper()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatalf("read the server's address: %v", err)
	}
	return strings.Replace(server.URL, address.Hostname(), host, 1)
}
