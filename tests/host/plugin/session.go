package plugin

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	goPlugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
)

// plugins is the controller's map of what it can dispense.
var plugins = map[string]goPlugin.Plugin{"RpcMetricProviderPlugin": &rpc.RpcMetricProviderPlugin{}}

// Session is go-plugin's own client on a connection to the process.
type Session struct {
	*goPlugin.RPCClient
	rpc.MetricProviderPlugin
}

// Attach connects go-plugin's client, dispenses the provider and initialises it, as the controller does.
func (p *Process) Attach(t testing.TB) *Session {
	t.Helper()
	return AttachTo(t, p.Dial(t))
}

// AttachTo is Attach on a connection that the test keeps hold of.
func AttachTo(t testing.TB, conn net.Conn) *Session {
	t.Helper()
	session, err := Open(conn)
	if err != nil {
		t.Fatalf("open a session: %v", err)
	}
	return session
}

// Open is AttachTo outside of a test.
func Open(conn net.Conn) (*Session, error) {
	client, err := goPlugin.NewRPCClient(conn, plugins)
	if err != nil {
		return nil, fmt.Errorf("open the control streams: %w", err)
	}
	if err := client.SyncStreams(io.Discard, io.Discard); err != nil {
		return nil, fmt.Errorf("read the output streams: %w", err)
	}
	raw, err := client.Dispense("RpcMetricProviderPlugin")
	if err != nil {
		return nil, fmt.Errorf("dispense the provider: %w", err)
	}
	provider := raw.(rpc.MetricProviderPlugin)
	if failed := provider.InitPlugin(); failed.HasError() {
		return nil, fmt.Errorf("initialise the provider: %w", failed)
	}
	return &Session{client, provider}, nil
}

// Quits asks the plugin to end, as the controller does. A plugin made of Go may be gone before its answer.
func (s *Session) Quits(t testing.TB) {
	t.Helper()
	if err := s.Close(); err != nil && IsTemper() {
		t.Errorf("quit: %v", err)
	}
}

// Gone waits for any process to end, though it is not our child.
func Gone(pid int, limit time.Duration) bool {
	handle, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return true // There is none.
	}
	defer unix.Close(handle)
	ready, _ := unix.Poll([]unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}, int(limit.Milliseconds()))
	return ready > 0
}
