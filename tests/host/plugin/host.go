package plugin

import (
	"os/exec"
	"testing"

	"github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	goPlugin "github.com/hashicorp/go-plugin"
)

// Hosted starts a command by go-plugin's own client, as the controller does, and initialises its provider. The client
// ends it.
func Hosted(t testing.TB, command *exec.Cmd) (rpc.MetricProviderPlugin, *goPlugin.Client) {
	t.Helper()
	client := goPlugin.NewClient(&goPlugin.ClientConfig{
		HandshakeConfig: goPlugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: "metricprovider",
		},
		Plugins: plugins,
		Cmd:     command,
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	if err != nil {
		t.Fatalf("start %s: %v", command, err)
	}
	raw, err := protocol.Dispense("RpcMetricProviderPlugin")
	if err != nil {
		t.Fatalf("dispense the provider: %v", err)
	}
	provider := raw.(rpc.MetricProviderPlugin)
	if failed := provider.InitPlugin(); failed.HasError() {
		t.Fatalf("initialise the provider: %v", failed)
	}
	return provider, client
}
