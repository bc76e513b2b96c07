package stories

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"temper.test/host/backend"
	"temper.test/host/plugin"
	"temper.test/host/sample"
)

func TestNothingFollowsTheHandshake(t *testing.T) {
	process := talk(t)
	if rest := process.Stdout.String(); rest != "" {
		t.Errorf("stdout went on after the handshake: %q", rest)
	}
}

// The host parses each line of stderr that is a JSON object, and crashes when a field that it knows is not a text.
func TestTheLogIsWhatTheHostParses(t *testing.T) {
	plugin.OnlyTemper(t, "it writes plain lines beside JSON, which the host logs as they are")
	process := talk(t)
	for _, line := range strings.Split(strings.TrimSuffix(process.Stderr.String(), "\n"), "\n") {
		if line == "" {
			continue
		}
		if len(line) >= 64<<10 {
			t.Errorf("a line of %d bytes: the host cuts it at 64 KiB", len(line))
		}
		if fault := faultOf(line); fault != "" {
			t.Errorf("%s: %.300s", fault, line)
		}
		if strings.Contains(line, sample.Secret) {
			t.Errorf("the log shows a secret: %.300s", line)
		}
	}
}

// talk has a session of which several parts go wrong, ended by Quit.
func talk(t *testing.T) *plugin.Process {
	t.Helper()
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	run := sample.Run("talk\nwith a line end")
	for _, source := range []map[string]any{
		sample.Prometheus(backend.Answering(t).URL),
		sample.Prometheus("http://reader:" + sample.Secret + "@127.0.0.1:1"),
		{"nobody\nknows\x00this": strings.Repeat("long ", 20_000)},
	} {
		metric := sample.Metric("temper/plugin", source)
		session.Terminate(run, metric, session.Run(run, metric))
	}
	session.Quits(t)
	process.EndsWithin(t, 2*time.Second)
	return process
}

func faultOf(line string) string {
	var entry map[string]any
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return "not a JSON object: " + err.Error()
	}
	for _, key := range []string{"@message", "@level", "@timestamp"} {
		if _, ok := entry[key].(string); !ok {
			return key + " is not a text"
		}
	}
	switch entry["@level"] {
	case "trace", "debug", "info", "warn", "error":
	default:
		return "no such level"
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000000Z07:00", entry["@timestamp"].(string)); err != nil {
		return err.Error()
	}
	return ""
}
