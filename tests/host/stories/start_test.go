package stories

import (
	"os"
	"strings"
	"testing"
	"time"

	"temper.test/host/plugin"
)

func TestTheHandshakeIsOneThatEveryHostReads(t *testing.T) {
	process := plugin.Start(t, plugin.Binary(t))
	parts := strings.Split(process.Handshake, "|")
	if len(parts) != 5 && len(parts) != 6 {
		t.Fatalf("%q has %d fields: hosts read five or six", process.Handshake, len(parts))
	}
	for i, want := range []string{"1", "1", "unix", parts[3], "netrpc"} {
		if parts[i] != want {
			t.Errorf("field %d of %q is %q, not %q", i+1, process.Handshake, parts[i], want)
		}
	}
	// A host without TLS settings dereferences nil when a certificate follows.
	if len(parts) == 6 && parts[5] != "" {
		t.Errorf("%q ends with a certificate that nobody asked for", process.Handshake)
	}
	if !strings.HasPrefix(parts[3], process.Folder+"/") {
		t.Errorf("the socket %s is not in TMPDIR, which was %s", parts[3], process.Folder)
	}
	// The host connects once and does not try again.
	process.Attach(t)
}

func TestTheSocketIsItsOwnersAlone(t *testing.T) {
	plugin.OnlyTemper(t, "its socket has mode 0755")
	_, socket := plugin.Start(t, plugin.Binary(t)).Address()
	found, err := os.Stat(socket)
	if err != nil {
		t.Fatalf("look at the socket: %v", err)
	}
	if mode := found.Mode().Perm(); mode != 0o600 {
		t.Errorf("the socket has mode %o, not 600", mode)
	}
}

func TestWithoutTheCookieItSaysWhatItIs(t *testing.T) {
	for name, env := range map[string][]string{
		"no cookie":           nil,
		"a wrong cookie":      {"ARGO_ROLLOUTS_RPC_PLUGIN=trafficrouter"},
		"another host's only": {"VAULT_PLUGIN=metricprovider"},
	} {
		process := plugin.Launch(t, plugin.Binary(t), env...)
		process.EndsWithin(t, 5*time.Second)
		process.EndedWell(t)
		if strings.HasPrefix(process.Handshake, "1|") {
			t.Errorf("%s: it shook hands: %q", name, process.Handshake)
		}
		said := process.Handshake + process.Stdout.String() + process.Stderr.String()
		if !strings.Contains(strings.ToLower(said), "plugin") {
			t.Errorf("%s: it does not say that it is a plugin: %q", name, said)
		}
	}
}

func TestAWrongCookieIsAnError(t *testing.T) {
	process := plugin.Launch(t, plugin.Binary(t), "ARGO_ROLLOUTS_RPC_PLUGIN=trafficrouter")
	process.EndsWithin(t, 5*time.Second)
	if code := process.ProcessState.ExitCode(); code <= 0 {
		t.Errorf("it ended with %d", code)
	}
	if process.Stderr.String() == "" {
		t.Error("stderr does not say why")
	}
}

func TestAFolderThatCannotHoldASocketIsSaidSo(t *testing.T) {
	plugin.OnlyTemper(t, "it ends with 0")
	process := plugin.Launch(t, plugin.Binary(t), append(plugin.Controller, "TMPDIR=/nowhere/at/all")...)
	process.EndsWithin(t, 5*time.Second)
	if code := process.ProcessState.ExitCode(); code <= 0 {
		t.Errorf("it ended with %d", code)
	}
	if said := process.Stderr.String(); !strings.Contains(said, "/nowhere/at/all") {
		t.Errorf("stderr does not name the folder: %q", said)
	}
}

func TestAnEmptyTMPDIRIsNoFolder(t *testing.T) {
	process := plugin.Launch(t, plugin.Binary(t), append(plugin.Controller, "TMPDIR=")...)
	if _, socket := process.Address(); !strings.HasPrefix(socket, "/") {
		t.Errorf("the socket %q is in the controller's working directory, which may be read-only", socket)
	}
	process.Attach(t).Quits(t)
}
