// Package plugin runs the binary under test as go-plugin's host does, but keeps hold of all that the host hides: its
// streams, its memory, its end.
package plugin

import (
	"os"
	"testing"
)

// Binary is the path of the plugin under test: Temper, or the one made of Go when TEMPER_BIN is not set.
func Binary(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"TEMPER_BIN", "GO_PLUGIN"} {
		if path := os.Getenv(name); path != "" {
			return path
		}
	}
	t.Fatal("which plugin? set TEMPER_BIN, or start the tests by tests/host/run")
	return ""
}

// IsTemper says which plugin is under test.
func IsTemper() bool { return os.Getenv("TEMPER_BIN") != "" }

// OnlyTemper skips what a plugin made of Go is known to fail, and says what it does instead.
func OnlyTemper(t testing.TB, instead string) {
	t.Helper()
	if !IsTemper() {
		t.Skip("a plugin made of Go: " + instead)
	}
}
