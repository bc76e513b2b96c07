package stories

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/rpc"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"temper.test/host/backend"
	"temper.test/host/plugin"
	"temper.test/host/sample"
	"temper.test/host/wire"
)

// Arguments that are not those of the contract.
type (
	chain  struct{ Next *chain }
	lists  []lists
	within struct{ AnalysisRun *chain }
	beside struct{ Unheard *chain }
	listed struct{ Unheard lists }
	boxed  struct{ Unheard any }
	flags  struct{ Unheard []bool }
)

// calls are attacks on one stream that serves the provider: the control stream and new providers go on.
var calls = []struct {
	name string
	// instead is what a plugin made of Go does, if it fails.
	instead string
	sends   func() [][]byte
}{
	{"garbage instead of gob", "", garbage(nil)},
	{"a message of 2^60 bytes", "", once(wire.Claim)},
	{"a message that does not end", "it takes 1.2 GB", repeatAfter([]byte{0xfc, 0x3f, 0xff, 0xff, 0xff}, 16384, make([]byte, 64<<10))},
	{"type definitions without end", "it takes 340 MB", repeatDefinitions},
	{"a value a million levels deep", "", once(wire.RunOf(beside{&chain{}}, wire.Deep(1_000_000)))},
	{"a run a million levels deep", "", once(wire.RunOf(within{&chain{}}, wire.Deep(1_000_000)))},
	{"lists a million levels deep", "", once(wire.RunOf(listed{lists{lists{}}}, wire.Nested(1_000_000)))},
	{"interfaces a hundred thousand levels deep", "", once(wire.RunOf(boxed{}, wire.Boxed(boxed{}, 100_000)))},
	{"a hundred thousand types within each other", "", once(wire.Tower(100_000))},
	{"a type of ten million fields", "", func() [][]byte { return [][]byte{wire.Wide(10_000_000)} }},
	{"sixty million tiny values", "", func() [][]byte { return [][]byte{wire.Run(flags{make([]bool, 60_000_000)})} }},
	{"a list longer than its message", "", once(wire.RunOf(flags{[]bool{true}}, append([]byte{1}, wire.Claim...)))},
}

func TestAHostileCallHurtsItsStreamAlone(t *testing.T) {
	for _, attack := range calls {
		t.Run(attack.name, func(t *testing.T) {
			if attack.instead != "" {
				plugin.OnlyTemper(t, attack.instead)
			}
			process, peer := meet(t)
			stream := peer.provider(t)
			for i, chunk := range attack.sends() {
				stream.SetWriteDeadline(time.Now().Add(stuck))
				if _, err := stream.Write(chunk); err != nil {
					t.Logf("stopped at chunk %d: %v", i, err)
					break
				}
			}
			peer.goesOn(t)
			process.StaysBounded(t)
			peer.quits(t, process)
		})
	}
}

func TestHalfOpenBrokerStreamsHinderNobody(t *testing.T) {
	plugin.OnlyTemper(t, "one of them blocks its later Dispenses")
	process, peer := meet(t)
	for range 20 {
		peer.opens(t).Write([]byte{1, 0})
	}
	peer.goesOn(t)
	process.StaysBounded(t)
	peer.quits(t, process)
}

// A plugin need not serve so many at once, but what it does not serve it resets, as yamux says: the session goes on.
func TestAThousandBrokerStreamsOfUnknownNumberHinderNobody(t *testing.T) {
	process, peer := meet(t)
	for range 1000 {
		peer.opens(t).Write([]byte{0xef, 0xbe, 0xad, 0xde})
	}
	peer.goesOn(t)
	process.StaysBounded(t)
	peer.quits(t, process)
}

func TestProvidersThatNobodyFetchesAreBounded(t *testing.T) {
	process, peer := meet(t)
	for range 10_000 {
		peer.dispenses(t)
	}
	peer.goesOn(t)
	process.StaysBounded(t)
	peer.quits(t, process)
}

func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	plugin.OnlyTemper(t, "it takes 650 MB for 300 000 calls")
	process, peer := meet(t)
	stream := peer.provider(t)
	stream.SetWriteDeadline(time.Now().Add(stuck))
	stream.Write(wire.Types(300_000))
	peer.goesOn(t)
	process.StaysBounded(t)
	peer.session.Close() // Quit would wait for the answers to leave.
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
}

func TestAnUnknownMethodIsAnswered(t *testing.T) {
	process, peer := meet(t)
	provider := rpc.NewClient(peer.provider(t))
	var answer string
	for _, method := range []string{"Plugin.Explode", "Nobody.Knows", "", "Plugin", "Plugin."} {
		if err := provider.Call(method, 1, &answer); err == nil {
			t.Errorf("%q was answered with %q", method, answer)
		}
	}
	if err := provider.Call("Plugin.Type", new(any), &answer); err != nil || answer == "" {
		t.Errorf("Type after unknown methods: %q, %v", answer, err)
	}
	peer.quits(t, process)
}

func TestAnUnknownPluginIsRefused(t *testing.T) {
	process, peer := meet(t)
	var id uint32
	if err := peer.control.Call("Dispenser.Dispense", "RpcStepPlugin", &id); err == nil {
		t.Errorf("a plugin that does not exist was dispensed as %d", id)
	}
	peer.goesOn(t)
	peer.quits(t, process)
}

func TestArgumentsOfTheWrongTypeAreRefusedInWords(t *testing.T) {
	process, peer := meet(t)
	provider := rpc.NewClient(peer.provider(t))
	var answer map[string]string
	for _, argument := range []any{new(any), "a text", 17, []string{"a", "list"}, map[string]int{"a": 1}} {
		err := provider.Call("Plugin.Run", argument, &answer)
		if err == nil || err == io.ErrUnexpectedEOF || err == rpc.ErrShutdown {
			t.Errorf("Run(%T): %v, wanted an error in words", argument, err)
		}
	}
	peer.goesOn(t)
	peer.quits(t, process)
}

func TestHundredsOfCallsOnABackendThatHangsStayWithinMemory(t *testing.T) {
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	metric := sample.Metric("temper/plugin", sample.Prometheus(backend.Hanging(t).URL))
	for i := range 600 {
		go session.Run(sample.Run(fmt.Sprint("flood-", i)), metric)
	}
	for range 10 {
		began := time.Now()
		if err := session.Ping(); err != nil {
			t.Fatalf("ping: %v", err)
		}
		if took := time.Since(began); took > promptly {
			t.Errorf("a ping took %s", took)
		}
	}
	session.Type() // It is answered after all calls before it were read.
	process.StaysBounded(t)
}

func TestASecondConnectionDoesNotHurtTheFirst(t *testing.T) {
	process := plugin.Start(t, plugin.Binary(t))
	session := process.Attach(t)
	second := process.Dial(t)
	send(t, second, garbage(nil)())
	second.Close()
	third := process.Dial(t)
	third.Close()
	metric := sample.Metric("temper/plugin", sample.Prometheus(backend.Answering(t).URL))
	if err := session.Ping(); err != nil {
		t.Fatalf("ping after another connection: %v", err)
	}
	keepsTheContract(t, "Run", session.Run(sample.Run("first"), metric))
	session.Quits(t)
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
}

// peer is a host that keeps to yamux, but not to what goes over it.
type peer struct {
	session *yamux.Session
	control *rpc.Client
}

func meet(t *testing.T) (*plugin.Process, *peer) {
	t.Helper()
	process := plugin.Start(t, plugin.Binary(t))
	settings := yamux.DefaultConfig()
	settings.LogOutput = io.Discard
	session, err := yamux.Client(process.Dial(t), settings)
	if err != nil {
		t.Fatalf("open a session: %v", err)
	}
	p := &peer{session: session}
	p.control = rpc.NewClient(p.opens(t))
	for range 2 { // stdout and stderr
		p.opens(t)
	}
	return process, p
}

func (p *peer) opens(t *testing.T) *yamux.Stream {
	t.Helper()
	stream, err := p.session.OpenStream()
	if err != nil {
		t.Fatalf("open a stream: %v", err)
	}
	return stream
}

func (p *peer) dispenses(t *testing.T) uint32 {
	t.Helper()
	var id uint32
	if err := p.control.Call("Dispenser.Dispense", "RpcMetricProviderPlugin", &id); err != nil {
		t.Fatalf("dispense: %v", err)
	}
	return id
}

// provider dispenses a provider and opens its stream.
func (p *peer) provider(t *testing.T) *yamux.Stream {
	t.Helper()
	number := binary.LittleEndian.AppendUint32(nil, p.dispenses(t))
	stream := p.opens(t)
	if _, err := stream.Write(number); err != nil {
		t.Fatalf("ask for the provider: %v", err)
	}
	answer := make([]byte, 4)
	stream.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(stream, answer); err != nil || !bytes.Equal(answer, number) {
		t.Fatalf("the broker answered %x to %x: %v", answer, number, err)
	}
	stream.SetReadDeadline(time.Time{})
	return stream
}

// goesOn checks that pings are answered in time and that a new provider can be had and asked.
func (p *peer) goesOn(t *testing.T) {
	t.Helper()
	began := time.Now()
	if err := p.control.Call("Control.Ping", true, &struct{}{}); err != nil {
		t.Fatalf("ping: %v", err)
	}
	if took := time.Since(began); took > promptly {
		t.Errorf("a ping took %s", took)
	}
	var kind string
	if err := rpc.NewClient(p.provider(t)).Call("Plugin.Type", new(any), &kind); err != nil || kind == "" {
		t.Fatalf("Type on a new stream: %q, %v", kind, err)
	}
}

func (p *peer) quits(t *testing.T, process *plugin.Process) {
	t.Helper()
	err := p.control.Call("Control.Quit", true, &struct{}{})
	if err != nil && plugin.IsTemper() { // One made of Go may be gone before its answer.
		t.Errorf("quit: %v", err)
	}
	p.session.Close()
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
}

// repeatDefinitions defines a million types and says nothing.
func repeatDefinitions() [][]byte {
	var chunks [][]byte
	for first := 65; first < 1_000_000; first += 1000 {
		chunks = append(chunks, wire.Definitions(first, 1000))
	}
	return chunks
}
