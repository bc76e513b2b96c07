package stories

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"

	"temper.test/host/argo"
	"temper.test/host/backend"
	"temper.test/host/plugin"
	"temper.test/host/sample"
)

// The host waits this long after the answer to Quit, then it kills. Without a host there is even less to wait for.
const quitLimit = 2 * time.Second

func TestAKilledPluginIsStartedAgain(t *testing.T) {
	controller := argo.Install(t, plugin.Binary(t))
	metric := sample.Metric(controller.Name, sample.Prometheus(backend.Answering(t).URL))
	run := sample.Run("killed")
	first := controller.MustPlugin(t).Run(run, metric)
	keepsTheContract(t, "Run", first)
	for range 3 {
		killed := controller.Pid()
		syscall.Kill(killed, syscall.SIGKILL)
		if !plugin.Gone(killed, quitLimit) {
			t.Fatalf("the plugin %d outlived SIGKILL", killed)
		}
		again := nextReconcile(t, controller)
		keepsTheContract(t, "Resume after a restart", again.Resume(run, metric, first))
		if pid := controller.Pid(); pid == killed || pid == 0 {
			t.Errorf("process %d was killed, and now there is %d", killed, pid)
		}
	}
}

func TestAPluginKilledInACallIsStartedAgain(t *testing.T) {
	controller, answers := callsInFlight(t, backend.Hanging(t), 4)
	killed := controller.Pid()
	syscall.Kill(killed, syscall.SIGKILL)
	for range 4 {
		if answer := <-answers; answer.Phase != v1alpha1.AnalysisPhaseError {
			t.Errorf("a killed plugin answered %q", answer.Phase)
		}
	}
	metric := sample.Metric(controller.Name, sample.Prometheus(backend.Answering(t).URL))
	keepsTheContract(t, "Run after a restart", nextReconcile(t, controller).Run(sample.Run("again"), metric))
}

// nextReconcile asks for the plugin until the controller has noticed that the process ended: by its exit or by a ping.
func nextReconcile(t *testing.T, controller *argo.Controller) rpc.MetricProviderPlugin {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		usable, err := controller.Plugin()
		if err == nil {
			return usable
		}
		if time.Now().After(deadline) {
			t.Fatalf("the controller could not start the plugin again: %v", err)
		}
	}
}

func TestQuitEndsAnIdlePluginAndRemovesItsSocket(t *testing.T) {
	process := plugin.Start(t, plugin.Binary(t))
	process.Attach(t).Quits(t)
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
	leavesNothing(t, process)
}

func TestQuitWaitsForCallsInFlight(t *testing.T) {
	plugin.OnlyTemper(t, "the calls fail with: unexpected EOF")
	prometheus := backend.Hanging(t)
	process, session, answers := runsOf(t, prometheus, 8)
	quit := make(chan error, 1)
	go func() { quit <- session.Close() }()
	select {
	case err := <-quit:
		t.Fatalf("quit was answered (%v) while calls were in flight", err)
	case <-time.After(300 * time.Millisecond): // Long enough for an eager answer.
	}
	if err := session.Ping(); err != nil {
		t.Errorf("ping while quit waits: %v", err)
	}
	prometheus.Answer()
	answered(t, answers, 8)
	if err := <-quit; err != nil {
		t.Errorf("quit: %v", err)
	}
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
	leavesNothing(t, process)
}

func TestQuitDoesNotWaitForEverOnABackendThatHangs(t *testing.T) {
	process, session, answers := runsOf(t, backend.Hanging(t), 8)
	if plugin.IsTemper() {
		defer answered(t, answers, 8)
	}
	began := time.Now()
	session.Close()
	if took := time.Since(began); took > bounded {
		t.Errorf("quit took %s", took)
	}
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
}

func TestAnInterruptIsTheHostsAffair(t *testing.T) {
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	metric := sample.Metric("temper/plugin", sample.Prometheus(backend.Answering(t).URL))
	for range 3 {
		process.Process.Signal(os.Interrupt)
		keepsTheContract(t, "Run after SIGINT", session.Run(sample.Run("interrupt"), metric))
	}
}

func TestTermDrains(t *testing.T) {
	plugin.OnlyTemper(t, "SIGTERM ends it at once, calls in flight fail, its socket stays behind")
	prometheus := backend.Hanging(t)
	process, _, answers := runsOf(t, prometheus, 8)
	process.Process.Signal(syscall.SIGTERM)
	select {
	case <-process.Done():
		t.Fatal("it ended with calls in flight")
	case <-time.After(300 * time.Millisecond): // Long enough for a hasty end.
	}
	prometheus.Answer()
	answered(t, answers, 8)
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
	leavesNothing(t, process)
}

func TestTheEndOfTheConnectionIsTheEndOfThePlugin(t *testing.T) {
	plugin.OnlyTemper(t, "it runs on for ever, orphaned")
	for name, calls := range map[string]int{"idle": 0, "with calls in flight": 8} {
		t.Run(name, func(t *testing.T) {
			process := plugin.Start(t, plugin.Binary(t))
			conn := process.Dial(t)
			session := plugin.AttachTo(t, conn)
			metric := sample.Metric("temper/plugin", sample.Prometheus(backend.Hanging(t).URL))
			for range calls {
				go session.Run(sample.Run("cut"), metric)
			}
			session.Ping()
			conn.Close()
			process.EndsWithin(t, quitLimit)
			process.EndedWell(t)
			leavesNothing(t, process)
		})
	}
}

func TestAHostThatIsKilledLeavesNoOrphan(t *testing.T) {
	plugin.OnlyTemper(t, "it is orphaned and runs on for ever")
	pid, host := hostWithPlugin(t)
	host.Process.Kill()
	host.Wait()
	if !plugin.Gone(pid, quitLimit) {
		syscall.Kill(pid, syscall.SIGKILL)
		t.Fatalf("the plugin %d outlived its host by %s", pid, quitLimit)
	}
}

// hostWithPlugin starts this program again as a host, and returns the process of the host's plugin.
func hostWithPlugin(t *testing.T) (int, *exec.Cmd) {
	t.Helper()
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), "TEMPER_HOST_TO_KILL="+plugin.Binary(t), "TMPDIR="+t.TempDir())
	output, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatalf("start a host: %v", err)
	}
	t.Cleanup(func() { host.Process.Kill() })
	var pid int
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if found, _ := fmt.Sscanf(lines.Text(), "plugin %d", &pid); found == 1 {
			return pid, host
		}
	}
	t.Fatal("the host ended without a plugin")
	return 0, nil
}

// beTheHostThatDies starts the plugin as a controller, says its process id and waits to be killed.
func beTheHostThatDies(binary string) {
	os.Chdir(os.Getenv("TMPDIR"))
	controller, err := argo.InstallAs("temper/orphan", binary)
	if err == nil {
		_, err = controller.Plugin()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: start the plugin:", err)
		os.Exit(1)
	}
	fmt.Println("plugin", controller.Pid())
	select {}
}

// runsOf starts a plugin with so many calls of Run that wait for the backend.
func runsOf(t *testing.T, prometheus *backend.Prometheus, calls int) (*plugin.Process, *plugin.Session, <-chan v1alpha1.Measurement) {
	t.Helper()
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	metric := sample.Metric("temper/plugin", sample.Prometheus(prometheus.URL))
	answers := make(chan v1alpha1.Measurement, calls)
	for i := range calls {
		go func() { answers <- session.Run(sample.Run(fmt.Sprintf("in-flight-%d", i)), metric) }()
	}
	prometheus.Await(t, calls)
	return process, session, answers
}

// answered checks that all calls in flight got an answer of the plugin, not of a broken connection.
func answered(t *testing.T, answers <-chan v1alpha1.Measurement, calls int) {
	t.Helper()
	for range calls {
		select {
		case answer := <-answers:
			keepsTheContract(t, "Run in flight", answer)
		case <-time.After(bounded):
			t.Fatalf("a call in flight has no answer after %s", bounded)
		}
	}
}

// leavesNothing checks that the process removed its socket.
func leavesNothing(t *testing.T, process *plugin.Process) {
	t.Helper()
	left, err := os.ReadDir(process.Folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		t.Errorf("it left %s behind", file.Name())
	}
}
