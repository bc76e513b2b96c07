// Package plugin runs the binary under test as go-plugin's host does, but keeps hold of all that the host hides: its
// streams, its memory, its end.
package plugin

import (
	"os"
	"path/filepath"
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

// Reference is the path of the plugin made of Go.
func Reference(t testing.TB) string {
	t.Helper()
	path := os.Getenv("GO_PLUGIN")
	if path == "" {
		t.Fatal("GO_PLUGIN is not set: start the tests by tests/host/run")
	}
	return path
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

// folder is where one process keeps its socket: short, since a socket's path may have 107 bytes.
func folder(t testing.TB) string {
	path, err := os.MkdirTemp("/tmp", "temper-host-")
	if err != nil {
		t.Fatalf("make a folder for the socket: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(path) })
	return filepath.Clean(path)
}
