package kube

import (
	stdsha256 "crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	netutils "k8s.io/utils/net"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

func TestSHA256IsTheStandardOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		message := make([]byte, n)
		for i := range message {
			message[i] = byte(random.Uint32())
		}
		if got, want := sha256(message), stdsha256.Sum256(message); got != want {
			t.Fatalf("%d bytes: got %x, want %x", n, got, want)
		}
	}
}

func TestNameKeepsWithinTheLimit(t *testing.T) {
	long := strings.Repeat("x", abi.MaxName)
	if got := Name(long); got != long {
		t.Errorf("a name of %d bytes fits, got %q", abi.MaxName, got)
	}
	seen := map[string]bool{}
	for _, text := range []string{long + "a", long + "b", long + "aa", strings.Repeat("ä", 200), strings.Repeat("ä", 201)} {
		name := Name(text)
		if len(name) > abi.MaxName || !strings.HasPrefix(name, text[:200]) || seen[name] || strings.ToValidUTF8(name, "") != name {
			t.Errorf("Name(%q) = %q", text, name)
		}
		if name != Name(text) {
			t.Errorf("Name(%q) is not the same twice", text)
		}
		seen[name] = true
	}
}

// FuzzCIDR: what the API server reads as a CIDR is read alike, the rest refused.
func FuzzCIDR(f *testing.F) {
	for _, text := range []string{
		"10.0.0.0/8", "10.1.2.3/8", "010.001.0.0/16", "0.0.0.0/0", "::/0", "fd00::1/8", "::ffff:10.0.0.0/104", "::ffff:10.0.0.0/95",
		"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "fe80::1%eth0/64", "10.0.0.0", "", "/", "/8", "0/0", "00.0.0.0/0", "1.2.3.4.5/8", "::/129", "::1.02.3.4/128",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseCIDR(text)
		_, want, err := netutils.ParseCIDRSloppy(text)
		if ok != (err == nil) {
			t.Fatalf("%q: read %t, the API server %v", text, ok, err)
		}
		if !ok {
			return
		}
		if got != got.Masked() {
			t.Errorf("%q: %s has host bits", text, got)
		}
		for _, addr := range []string{"10.0.0.0", "10.1.2.3", "0.0.0.0", "255.255.255.255", "::", "fd00::1", "fd00::2", got.Addr().String()} {
			a := netip.MustParseAddr(addr)
			if got.Contains(a) != want.Contains(a.AsSlice()) {
				t.Errorf("%q = %s: contains %s: %t, for the API server %t", text, got, a, got.Contains(a), want.Contains(a.AsSlice()))
			}
		}
	})
}

// FuzzWords: label keys and values and port names are those of apimachinery.
func FuzzWords(f *testing.F) {
	for _, word := range []string{"a", "", "app.kubernetes.io/name", "/a", "a/", "a/b/c", "A.b/c", "a_b", "-a", "a-", "http", "80", "a--b", strings.Repeat("a", 64), strings.Repeat("a.", 126) + "a/b"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		d := jsonscan.New(nil)
		if got, want := checkLabelKey(d, word), validation.IsQualifiedName(word); (got == nil) != (want == nil) {
			t.Errorf("key %q: got %v, want %v", word, got, want)
		}
		text := []byte(`"` + word + `"`)
		if read, err := jsonscan.New(text).String(); err != nil || read != word {
			return // needs escapes, which no legal word does
		}
		if _, got := labelValue(jsonscan.New(text)); (got == nil) != (validation.IsValidLabelValue(word) == nil) {
			t.Errorf("value %q: got %v, want %v", word, got, validation.IsValidLabelValue(word))
		}
		if _, got := PortName(jsonscan.New(text)); (got == nil) != (validation.IsValidPortName(word) == nil) {
			t.Errorf("port name %q: got %v, want %v", word, got, validation.IsValidPortName(word))
		}
	})
}

func TestUnionHoldsWhatItsBlocksHold(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	prefix := func(least int) netip.Prefix {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(random.Uint32())})
		return netip.PrefixFrom(addr, least+random.IntN(33-least)).Masked()
	}
	for range 2000 {
		var blocks []Block
		for range 1 + random.IntN(5) {
			block := Block{CIDR: prefix(26)}
			for range random.IntN(4) {
				if except := prefix(27); block.CIDR.Overlaps(except) && except.Bits() > block.CIDR.Bits() {
					block.Except = append(block.Except, except)
				}
			}
			blocks = append(blocks, block)
		}
		given := fmt.Sprint(blocks)
		union := union(blocks)
		for i := 1; i < len(union); i++ {
			if union[i].CIDR == union[i-1].CIDR {
				t.Fatalf("%s twice in %v", union[i].CIDR, union)
			}
		}
		for last := range 256 {
			addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(last)})
			want := slices.ContainsFunc(blocks, func(b Block) bool {
				return b.CIDR.Contains(addr) && !slices.ContainsFunc(b.Except, func(e netip.Prefix) bool { return e.Contains(addr) })
			})
			got := slices.ContainsFunc(union, func(b abi.Block) bool {
				return netip.MustParsePrefix(b.CIDR).Contains(addr) && !slices.ContainsFunc(b.Except, func(e string) bool { return netip.MustParsePrefix(e).Contains(addr) })
			})
			if got != want {
				t.Fatalf("%s in %s: got %t, want %t (%v)", addr, given, got, want, union)
			}
		}
	}
}

func TestSelectorTextTellsSelectorsApart(t *testing.T) {
	texts := map[string]string{}
	for _, object := range []string{
		`{}`, `{"matchLabels":{"a":"b"}}`, `{"matchLabels":{"a":""}}`, `{"matchLabels":{"a":"b","c":"d"}}`,
		`{"matchExpressions":[{"key":"a","operator":"In","values":["b","c"]}]}`,
		`{"matchExpressions":[{"key":"a","operator":"NotIn","values":["b","c"]}]}`,
		`{"matchExpressions":[{"key":"a","operator":"NotIn","values":["b"]}]}`,
		`{"matchExpressions":[{"key":"a","operator":"NotIn","values":[""]}]}`,
		`{"matchExpressions":[{"key":"a","operator":"Exists"}]}`,
		`{"matchExpressions":[{"key":"a","operator":"DoesNotExist"}]}`,
		`{"matchExpressions":[{"key":"in","operator":"Exists"}]}`,
	} {
		selector, err := Selector(jsonscan.New([]byte(object)))
		if err != nil {
			t.Fatal(object, err)
		}
		text := SelectorText(selector)
		if other, taken := texts[text]; taken {
			t.Errorf("%s and %s are both %q", object, other, text)
		}
		texts[text] = object
	}
}
