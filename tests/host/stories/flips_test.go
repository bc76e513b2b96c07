package stories

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand"
	"net/rpc"
	"slices"
	"testing"
	"time"

	argoRpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"

	"temper.test/host/plugin"
	"temper.test/host/sample"
	"temper.test/host/wire"
)

// How many damaged copies of what an honest host says are tried.
const (
	damagedCalls    = 2000
	damagedSessions = 60
)

func TestFlippedBitsInACallHurtNobody(t *testing.T) {
	process, peer := meet(t)
	honest := runCall(t)
	random := rand.New(rand.NewSource(1))
	for range damagedCalls {
		stream := peer.provider(t)
		stream.SetWriteDeadline(time.Now().Add(stuck))
		stream.Write(flip(random, honest))
		stream.Close()
	}
	peer.goesOn(t)
	process.StaysBounded(t)
	peer.quits(t, process)
}

func TestFlippedBitsInASessionHurtNobody(t *testing.T) {
	binary, random := plugin.Binary(t), rand.New(rand.NewSource(2))
	honest := wire.Control()
	for stream := uint32(7); stream < 70; stream += 2 {
		honest = append(honest, wire.Open(stream)...)
		honest = append(honest, data(stream, 20)...)
		honest = append(honest, wire.Frame{Kind: wire.Ping, Flags: wire.SYN, Length: stream}.Bytes()...)
		honest = append(honest, flag(stream, wire.FIN)...)
	}
	for number := range damagedSessions {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			process := plugin.Start(t, binary)
			conn := process.Dial(t)
			send(t, conn, [][]byte{flip(random, honest)})
			endsAfter(t, process, conn)
		})
	}
}

// runCall is Run as the controller writes it, with all definitions of types.
func runCall(t *testing.T) []byte {
	t.Helper()
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	var argument any = argoRpc.RunArgs{AnalysisRun: sample.Run("flipped"), Metric: sample.Metric("temper/plugin", nil)}
	if err := encoder.Encode(rpc.Request{ServiceMethod: "Plugin.Run"}); err != nil {
		t.Fatal(err)
	}
	if err := encoder.Encode(&argument); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

// flip damages one to eight bits.
func flip(random *rand.Rand, honest []byte) []byte {
	damaged := slices.Clone(honest)
	for range 1 + random.Intn(8) {
		damaged[random.Intn(len(damaged))] ^= 1 << random.Intn(8)
	}
	return damaged
}
