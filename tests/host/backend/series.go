package backend

import (
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Every pod is scraped so often and serves so many requests a second, one of a hundred of which fails.
const (
	scrape   = 5.0
	requests = 50.0
	failed   = requests / 100
)

// The counters began with the year 2026.
var epoch = float64(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix())

type series struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

var rangeSelector = regexp.MustCompile(`^(\w+)\{(.*)\}\[(\d+)ms\]$`)

// reply answers an instant query: raw samples of three healthy pods to a range selector, nothing to any other.
func reply(w http.ResponseWriter, r *http.Request) {
	kind, found := "vector", []series{}
	if parts := rangeSelector.FindStringSubmatch(r.FormValue("query")); parts != nil {
		end, _ := strconv.ParseFloat(r.FormValue("time"), 64)
		length, _ := strconv.ParseFloat(parts[3], 64)
		kind, found = "matrix", pods(parts[1], parts[2], end-length/1000, end)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"status": "success",
		"data":   map[string]any{"resultType": kind, "result": found},
	})
}

// pods are the series of an arm's three pods in (from, to].
func pods(name, matchers string, from, to float64) []series {
	rate, prefix := requests, "s-"
	if strings.Contains(matchers, `status="error"`) {
		rate = failed
	}
	if strings.Contains(matchers, "c.*") {
		prefix = "c-"
	}
	var found []series
	for pod := range 3 {
		labels := map[string]string{"__name__": name, "pod": prefix + strconv.Itoa(pod)}
		found = append(found, series{labels, samples(name, rate, from, to)})
	}
	return found
}

func samples(name string, rate, from, to float64) [][2]any {
	var values [][2]any
	for at := (math.Floor(from/scrape) + 1) * scrape; at <= to; at += scrape {
		value := math.Floor((at - epoch) * rate)
		if name == "up" {
			value = 1
		}
		values = append(values, [2]any{at, strconv.FormatFloat(value, 'f', -1, 64)})
	}
	return values
}
