// Package argo starts a metric plugin by the controller's own code: the config map is read from an API, the binary lies
// where the controller would have copied it, and GetMetricPlugin launches, pings and restarts it.
package argo

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argoproj/argo-rollouts/metricproviders/plugin/client"
	"github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/config"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"temper.test/host/sample"
)

// Controller is one configured plugin, seen from a controller that has just started.
type Controller struct {
	// Name of the plugin in the config map.
	Name string
	// Path of the binary that the controller runs.
	Path string
}

// Install copies the binary to where the controller expects it and configures it under a name of its own: the
// controller runs one process for each name. The working directory becomes that of a controller.
func Install(t testing.TB, binary string) *Controller {
	t.Helper()
	t.Chdir(t.TempDir())
	controller, err := InstallAs("temper/"+strings.ToLower(filepath.Base(t.Name())), binary)
	if err != nil {
		t.Fatalf("install the plugin %s: %v", binary, err)
	}
	return controller
}

// InstallAs is Install under a given name, in the working directory.
func InstallAs(name, binary string) (*Controller, error) {
	path, err := filepath.Abs(filepath.Join("plugin-bin", name))
	if err != nil {
		return nil, err
	}
	if err := copyBinary(binary, path); err != nil {
		return nil, err
	}
	return &Controller{Name: name, Path: path}, configure(name, binary)
}

// Plugin is what the controller does before each call: start the process if it does not run, else ping it.
func (c *Controller) Plugin() (rpc.MetricProviderPlugin, error) {
	return client.GetMetricPlugin(sample.Metric(c.Name, nil))
}

// MustPlugin is Plugin where nothing may go wrong.
func (c *Controller) MustPlugin(t testing.TB) rpc.MetricProviderPlugin {
	t.Helper()
	provider, err := c.Plugin()
	if err != nil {
		t.Fatalf("the controller could not use the plugin: %v", err)
	}
	return provider
}

// Pid of the running plugin, 0 if there is none.
func (c *Controller) Pid() int {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == c.Path {
			var pid int
			fmt.Sscanf(link, "/proc/%d/exe", &pid)
			return pid
		}
	}
	return 0
}

func copyBinary(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	return target.Close()
}

// configure lets the controller read its config map with the real Kubernetes client.
func configure(name, binary string) error {
	api := httptest.NewServer(configMap(name, binary))
	defer api.Close()
	clients, err := kubernetes.NewForConfig(&rest.Config{Host: api.URL})
	if err != nil {
		return err
	}
	_, err = config.InitializeConfig(clients, "argo-rollouts-config")
	return err
}

func configMap(name, binary string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"argo-rollouts-config"},`+
			`"data":{"metricProviderPlugins":"[{name: %s, location: file://%s}]"}}`, name, binary)
	}
}
