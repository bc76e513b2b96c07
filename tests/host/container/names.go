package container

import (
	"net"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Names is the cluster's name server, at 127.0.0.1:53. All its names are those of 127.0.0.1.
type Names struct {
	known []string
	lock  sync.Mutex
	asked []string
}

// ServeNames answers for names that end in a dot, until the test ends.
func ServeNames(t *testing.T, known ...string) *Names {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:53")
	if err != nil {
		t.Fatalf("serve names: %v", err)
	}
	t.Cleanup(func() { socket.Close() })
	names := &Names{known: known}
	go names.serve(socket)
	return names
}

// Asked is every name that was asked for, in its order.
func (n *Names) Asked() []string {
	n.lock.Lock()
	defer n.lock.Unlock()
	return slices.Clone(n.asked)
}

func (n *Names) serve(socket net.PacketConn) {
	packet := make([]byte, 4096)
	for {
		length, asker, err := socket.ReadFrom(packet)
		if err != nil {
			return // The test is over.
		}
		var query dnsmessage.Message
		if query.Unpack(packet[:length]) != nil || len(query.Questions) != 1 {
			continue
		}
		answer := n.answer(query)
		if reply, err := answer.Pack(); err == nil {
			socket.WriteTo(reply, asker)
		}
	}
}

// answer is an address, no address of that kind, or no such name.
func (n *Names) answer(query dnsmessage.Message) dnsmessage.Message {
	question := query.Questions[0]
	n.note(question.Name.String())
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired},
		Questions: query.Questions,
	}
	switch {
	case !slices.Contains(n.known, question.Name.String()):
		answer.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 5},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	return answer
}

func (n *Names) note(name string) {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.asked = append(n.asked, name)
}
