package plugin

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Controller is what go-plugin adds to the environment of a controller for each plugin.
var Controller = []string{
	"ARGO_ROLLOUTS_RPC_PLUGIN=metricprovider",
	"PLUGIN_MIN_PORT=10000",
	"PLUGIN_MAX_PORT=25000",
	"PLUGIN_PROTOCOL_VERSIONS=1",
}

// Process is a running plugin.
type Process struct {
	*exec.Cmd
	// Handshake is its first line, without the line end.
	Handshake string
	// Folder is its TMPDIR, empty but for what it puts there.
	Folder string
	// Stdout is what came after the handshake, Stderr everything.
	Stdout, Stderr *Output
	ended          chan struct{}
	peak           *peak
}

// Output collects what a process writes.
type Output struct {
	lock sync.Mutex
	text bytes.Buffer
}

// Write makes an Output the end of a pipe.
func (o *Output) Write(text []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.text.Write(text)
}

// String is all that was written until now.
func (o *Output) String() string {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.text.String()
}

// Start runs the binary and returns when it has written its handshake. It is killed at the end of the test.
func Start(t testing.TB, binary string) *Process {
	t.Helper()
	p := Launch(t, binary, Controller...)
	if p.Handshake == "" {
		t.Fatalf("%s ended without a handshake, stderr: %s", binary, p.Stderr)
	}
	return p
}

// Launch runs the binary under an environment, and returns when it has written a line or closed its output.
func Launch(t testing.TB, binary string, env ...string) *Process {
	t.Helper()
	p, err := Spawn(binary, env...)
	if err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	t.Cleanup(p.Discard)
	return p
}

// Spawn is Launch outside of a test. What it returns wants to be discarded.
func Spawn(binary string, env ...string) (*Process, error) {
	// Short, since the path of a socket may have 107 bytes.
	folder, err := os.MkdirTemp("/tmp", "temper-host-")
	if err != nil {
		return nil, err
	}
	p := &Process{Cmd: exec.Command(binary), Folder: folder, Stdout: &Output{}, Stderr: &Output{}, ended: make(chan struct{})}
	p.Env = append(append(os.Environ(), "TMPDIR="+folder), env...)
	p.Cmd.Stderr = p.Stderr
	// A pipe of our own: that of the standard library is closed by Wait, read or not.
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.Cmd.Stdout = write
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	p.peak = watch(p.Process.Pid, p.ended)
	p.readHandshake(read, write)
	return p, nil
}

// Discard kills the process, if it still runs, and removes its folder.
func (p *Process) Discard() {
	p.Process.Kill()
	<-p.ended
	os.RemoveAll(p.Folder)
}

// readHandshake reads the first line, and leaves the others to be collected.
func (p *Process) readHandshake(read, write *os.File) {
	write.Close() // Else the end of the process would not be the end of the pipe.
	lines := bufio.NewReader(read)
	line, _ := lines.ReadString('\n')
	p.Handshake = strings.TrimSuffix(line, "\n")
	go p.await(lines, read)
}

func (p *Process) await(lines io.Reader, pipe io.Closer) {
	io.Copy(p.Stdout, lines)
	p.Cmd.Wait()
	pipe.Close()
	close(p.ended)
}

// Address of the handshake: network and address.
func (p *Process) Address() (string, string) {
	parts := strings.Split(p.Handshake, "|")
	if len(parts) < 4 {
		return "", ""
	}
	return parts[2], parts[3]
}

// Dial opens a connection to the plugin, as the host does.
func (p *Process) Dial(t testing.TB) net.Conn {
	t.Helper()
	network, address := p.Address()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatalf("connect to the plugin of handshake %q: %v", p.Handshake, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// EndsWithin waits for the process to end by itself.
func (p *Process) EndsWithin(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatalf("the plugin still runs after %s", limit)
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.ended }

// EndedWell fails the test if a signal ended the process or it panicked.
func (p *Process) EndedWell(t testing.TB) {
	t.Helper()
	if status := p.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		t.Errorf("the plugin was ended by %s", status.Signal())
	}
	for line := range strings.Lines(p.Stderr.String()) {
		for _, word := range []string{"panicked", "panic:", "fatal error:", "stack overflow", "RUST_BACKTRACE"} {
			if strings.Contains(line, word) {
				t.Errorf("stderr has %q: %.2000s", word, line)
			}
		}
	}
}
