package shares

import (
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tests/nettest"
)

var (
	packetCount = regexp.MustCompile(`bucket\d+:packet_count=(\d+)`)
	translated  = regexp.MustCompile(`nat\(dst=([^)]+)\)`)
)

// counted are the packets that went to each backend, by the counters of the buckets
// of all groups: Open vSwitch lists them in the order in which it describes them.
// Buckets that lead to other groups are not backends.
func counted(tb testing.TB, node *nettest.Node) map[string]int {
	tb.Helper()
	described := map[string][]string{} // the buckets of each group
	for _, group := range strings.Split(node.OVS.OFCtl(nettest.Bridge, "dump-groups"), "group_id=")[1:] {
		id, buckets, _ := strings.Cut(group, ",")
		described[id] = strings.Split(buckets, "bucket=")[1:]
	}
	share := map[string]int{}
	for _, group := range strings.Split(node.OVS.OFCtl(nettest.Bridge, "dump-group-stats"), "group_id=")[1:] {
		id, _, _ := strings.Cut(group, ",")
		counts := packetCount.FindAllStringSubmatch(group, -1)
		if len(counts) != len(described[id]) {
			tb.Fatalf("group %s has %d buckets and %d counters", id, len(described[id]), len(counts))
		}
		for i, bucket := range described[id] {
			to := translated.FindStringSubmatch(bucket)
			if to == nil {
				continue
			}
			n, err := strconv.Atoi(counts[i][1])
			if err != nil {
				tb.Fatal(err)
			}
			share[to[1]] += n
		}
	}
	return share
}

// Total is how many connections there are.
func Total(share map[string]int) (n int) {
	for _, one := range share {
		n += one
	}
	return n
}

// Furthest is how far the backend that is furthest from an even share is from it, in
// percent of an even share.
func Furthest(share map[string]int) (percent float64) {
	even := float64(Total(share)) / float64(len(share))
	for _, n := range share {
		percent = max(percent, 100*math.Abs(float64(n)/even-1))
	}
	return percent
}

// Unevenness is about 1 if each of so many backends is as likely to get a connection as
// any other, and more if not: chi-squared by its degrees of freedom.
func Unevenness(share map[string]int, backends int) (u float64) {
	even := float64(Total(share)) / float64(backends)
	for _, n := range share {
		u += (float64(n) - even) * (float64(n) - even) / even
	}
	u += float64(backends-len(share)) * even // those that got none
	return u / float64(backends-1)
}

// OfADie is what Furthest is, on average, if a fair die deals the connections out.
func OfADie(backends, connections int) (percent float64) {
	const rolls = 50
	die := rand.New(rand.NewPCG(uint64(backends), uint64(connections)))
	for range rolls {
		counts, share := make([]int, backends), map[string]int{}
		for range connections {
			counts[die.IntN(backends)]++
		}
		for i, n := range counts {
			share[strconv.Itoa(i)] = n
		}
		percent += Furthest(share) / rolls
	}
	return percent
}
