package stories

import (
	"bytes"
	"errors"
	"math/rand"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"temper.test/host/plugin"
	"temper.test/host/wire"
)

// How long a peer that sends too much may be left waiting before we take it that nobody reads.
const stuck = 2 * time.Second

// frames are attacks below the streams: a plugin may end such a connection, or bear it.
var frames = []struct {
	name string
	// instead is what a plugin made of Go does, if it fails.
	instead string
	sends   func() [][]byte
}{
	{"nothing at all", "", repeat(0, nil)},
	{"garbage", "", garbage(nil)},
	{"garbage after an honest start", "", garbage(wire.Control())},
	{"half a header", "", once(wire.Control()[:7])},
	{"a wrong version", "", once(wire.Control(), wire.Frame{Version: 9, Kind: wire.Ping, Flags: wire.SYN}.Bytes())},
	{"an unknown kind of frame", "", once(wire.Control(), wire.Frame{Kind: 77, Stream: 1, Length: 1 << 31}.Bytes())},
	{"goodbye with a code that does not exist", "", once(wire.Control(), wire.Frame{Kind: wire.GoAway, Length: 99}.Bytes())},
	{"pings whose answers are never read", "it takes 3 to 6 GB", repeat(2000, bytes.Repeat(wire.Frame{Kind: wire.Ping, Flags: wire.SYN}.Bytes(), 4096))},
	{"answers to pings that nobody sent", "", repeat(200, bytes.Repeat(wire.Frame{Kind: wire.Ping, Flags: wire.ACK}.Bytes(), 4096))},
	{"a frame of four gigabytes", "", beyond(wire.Frame{Kind: wire.Data, Stream: 1, Length: 1<<32 - 1})},
	{"data beyond the window", "", repeatAfter(wire.Control(), 1024, data(1, 64<<10))},
	{"data beyond the window of a stream that nobody reads", "", repeatAfter(append(wire.Control(), wire.Open(7)...), 1024, data(7, 64<<10))},
	{"data for a stream that does not exist", "", repeatAfter(wire.Control(), 1024, data(99, 64<<10))},
	{"credit without end", "", repeatAfter(wire.Control(), 1000, wire.Frame{Kind: wire.WindowUpdate, Stream: 1, Length: 1<<32 - 1}.Bytes())},
	{"a stream opened ten thousand times", "", repeatAfter(wire.Control(), 10000, wire.Open(7))},
	{"ten thousand streams", "", streams(10000, nil)},
	{"ten thousand streams of two bytes", "", streams(10000, []byte{1, 0})},
	{"two thousand streams that fill their windows", "it takes 340 MB", streams(2000, make([]byte, 256<<10))},
	{"streams of even numbers and of zero", "", once(wire.Control(), wire.Open(2), wire.Open(0), data(2, 10), data(0, 10))},
	{"streams opened and reset", "", churn(wire.RST)},
	{"streams opened and closed", "", churn(wire.FIN)},
	{"a stream closed twice", "", once(wire.Control(), wire.Open(7), flag(7, wire.FIN), flag(7, wire.FIN))},
	{"every flag at once", "", once(wire.Control(), flag(7, 0xffff), flag(1, 0xffff))},
	{"the control stream reset", "", once(wire.Control(), flag(1, wire.RST))},
}

func TestAPeerThatSpeaksFramesWronglyDoesNoHarm(t *testing.T) {
	for _, attack := range frames {
		t.Run(attack.name, func(t *testing.T) {
			if attack.instead != "" {
				plugin.OnlyTemper(t, attack.instead)
			}
			process := plugin.Start(t, plugin.Binary(t))
			conn := process.Dial(t)
			send(t, conn, attack.sends())
			endsAfter(t, process, conn)
		})
	}
}

// send writes everything, unread by us, until the peer has closed the connection or does not read any more.
func send(t *testing.T, conn net.Conn, chunks [][]byte) {
	t.Helper()
	for i, chunk := range chunks {
		conn.SetWriteDeadline(time.Now().Add(stuck))
		if _, err := conn.Write(chunk); err != nil {
			how := "ended by the plugin"
			if errors.Is(err, os.ErrDeadlineExceeded) {
				how = "not read any more"
			}
			t.Logf("%s after %d of %d chunks", how, i, len(chunks))
			return
		}
	}
}

// endsAfter closes the connection of an attack and looks at what it has done.
func endsAfter(t *testing.T, process *plugin.Process, conn net.Conn) {
	t.Helper()
	process.StaysBounded(t)
	conn.Close()
	if !plugin.IsTemper() {
		return // It is orphaned.
	}
	process.EndsWithin(t, quitLimit)
	process.EndedWell(t)
}

func once(chunks ...[]byte) func() [][]byte {
	return func() [][]byte { return chunks }
}

func repeat(times int, chunk []byte) func() [][]byte {
	return func() [][]byte { return slices.Repeat([][]byte{chunk}, times) }
}

func repeatAfter(first []byte, times int, chunk []byte) func() [][]byte {
	return func() [][]byte { return append([][]byte{first}, repeat(times, chunk)()...) }
}

func garbage(first []byte) func() [][]byte {
	return func() [][]byte {
		noise := make([]byte, 1<<20)
		rand.New(rand.NewSource(1)).Read(noise)
		return [][]byte{append(slices.Clone(first), noise...)}
	}
}

func beyond(header wire.Frame) func() [][]byte {
	return repeatAfter(append(wire.Control(), header.Bytes()...), 1024, make([]byte, 64<<10))
}

func data(stream uint32, length int) []byte {
	return append(wire.Frame{Kind: wire.Data, Stream: stream, Length: uint32(length)}.Bytes(), make([]byte, length)...)
}

func flag(stream uint32, flags uint16) []byte {
	return wire.Frame{Kind: wire.WindowUpdate, Flags: flags, Stream: stream}.Bytes()
}

// streams opens so many broker streams, each of which writes something and is left alone.
func streams(count int, content []byte) func() [][]byte {
	return func() [][]byte {
		chunks := [][]byte{wire.Control()}
		for i := range count {
			id := uint32(7 + 2*i)
			chunks = append(chunks, wire.Open(id))
			if len(content) > 0 {
				header := wire.Frame{Kind: wire.Data, Stream: id, Length: uint32(len(content))}.Bytes()
				chunks = append(chunks, header, content)
			}
		}
		return chunks
	}
}

// churn opens a hundred thousand streams, one after the other, and ends each at once.
func churn(end uint16) func() [][]byte {
	return func() [][]byte {
		chunks := [][]byte{wire.Control()}
		for i := range 100_000 {
			id := uint32(7 + 2*i)
			chunks = append(chunks, append(wire.Open(id), flag(id, end)...))
		}
		return chunks
	}
}
