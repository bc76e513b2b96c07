// Package container gives a plugin what a cluster gives the controller's container: a root with next to nothing in it,
// a user of its own, and names that only the cluster's DNS and kubelet's files know.
package container

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The process with namespaces of its own finds the test's name here.
const entered = "TEMPER_TEST_IN_NAMESPACES"

// Enter runs the test again in a process that has mounts of its own and no network but loopback, where every port is
// free and no name server can be reached by mistake. It is true in that process; elsewhere the test is over.
func Enter(t *testing.T) bool {
	t.Helper()
	if os.Getenv(entered) == t.Name() {
		raiseLoopback(t)
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for namespaces, mounts and chroot")
	}
	runAgain(t)
	return false
}

func runAgain(t *testing.T) {
	t.Helper()
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	again.Env = append(os.Environ(), entered+"="+t.Name())
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	var output bytes.Buffer
	again.Stdout, again.Stderr = &output, &output
	if err := again.Start(); err != nil {
		t.Skipf("this root may not make namespaces: %v", err)
	}
	err := again.Wait()
	switch {
	case err != nil:
		t.Fatalf("in namespaces of its own: %v\n%s", err, &output)
	case bytes.Contains(output.Bytes(), fmt.Appendf(nil, "--- SKIP: %s ", t.Name())):
		t.Skipf("in namespaces of its own:\n%s", &output)
	}
	t.Logf("in namespaces of its own:\n%s", &output)
}

func raiseLoopback(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open a socket: %v", err)
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatalf("name loopback: %v", err)
	}
	loopback.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback); err != nil {
		t.Skipf("this root may not raise loopback: %v", err)
	}
}
