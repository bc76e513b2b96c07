// Package stories is what a controller lives through with a metric plugin, and what a hostile peer could send one.
package stories

import (
	"os"
	"testing"

	goPlugin "github.com/hashicorp/go-plugin"
)

// TestMain ends the plugins as a controller does when it stops. This program is also the host that a test kills.
func TestMain(m *testing.M) {
	if binary := os.Getenv("TEMPER_HOST_TO_KILL"); binary != "" {
		beTheHostThatDies(binary)
	}
	code := m.Run()
	goPlugin.CleanupClients()
	os.Exit(code)
}
