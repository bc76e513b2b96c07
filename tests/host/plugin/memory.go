package plugin

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Bound is what a plugin may take, whatever its peer sends.
const Bound = 256 << 20

// A process that takes this much is killed before it hurts the machine.
const fatal = 1 << 30

// Resident memory of a process, in bytes, 0 if it has ended.
func Resident(pid int) int { return status(pid, "VmRSS:") }

// HighWater is the most that a process had resident, in bytes, 0 if it has ended.
func HighWater(pid int) int { return status(pid, "VmHWM:") }

func status(pid int, key string) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, value, _ := strings.Cut(string(text), key)
	var kibibytes int
	fmt.Sscan(value, &kibibytes)
	return kibibytes << 10
}

// peak follows the high-water mark of a process, since it is gone when the process is.
type peak struct{ bytes atomic.Int64 }

func watch(pid int, ended <-chan struct{}) *peak {
	p := &peak{}
	p.look(pid)
	go func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				p.look(pid)
			}
		}
	}()
	return p
}

func (p *peak) look(pid int) {
	now := int64(HighWater(pid))
	if now > p.bytes.Load() {
		p.bytes.Store(now)
	}
	if now > fatal {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// StaysBounded fails the test if the plugin has ever taken more than Bound.
func (p *Process) StaysBounded(t testing.TB) {
	t.Helper()
	p.peak.look(p.Process.Pid)
	taken := p.peak.bytes.Load()
	t.Logf("resident memory was %.1f MiB at most", float64(taken)/(1<<20))
	if taken > Bound {
		t.Errorf("the plugin took %d MiB, more than %d", taken>>20, Bound>>20)
	}
}
