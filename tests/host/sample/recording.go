package sample

import (
	"fmt"
	"os"
	"strings"
)

// Recording writes ten looks at two versions of three pods each, and returns the source that reads them.
func Recording(path string) (map[string]any, error) {
	var lines strings.Builder
	fmt.Fprintln(&lines, `{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"1s","le":[0.01,0.05,0.1,0.5,1]}`)
	for look := 1; look <= 10; look++ {
		for pod := range 3 {
			fmt.Fprintf(&lines, `{"look":%d,"arm":"canary","pod":"c-%d","requests":%d,"errors":%d,"latency":[60,30,7,2,1,0]}`+"\n", look, pod, 100, pod%2)
			fmt.Fprintf(&lines, `{"look":%d,"arm":"stable","pod":"s-%d","requests":%d,"errors":%d,"latency":[540,270,63,18,9,0]}`+"\n", look, pod, 900, 9*(pod%2))
		}
	}
	return map[string]any{"recording": path}, os.WriteFile(path, []byte(lines.String()), 0o600)
}
