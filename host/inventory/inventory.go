package inventory

import (
	"net/netip"

	"github.com/sluice-net/sluice/host/inventory/cow"
)

// Inventory holds objects and answers which classes and blocks the acquired
// sets consist of. It belongs to one goroutine; other goroutines read
// Snapshots.
type Inventory struct {
	keys       map[string]*labelKey
	namespaces map[string]*namespace
	pods       cow.Map[podKey, *pod]
	owners     cow.Map[netip.Addr, *pod] // who holds an address now
	contested  map[netip.Addr][]podKey   // who claims it, oldest first, where more than one does
	nodes      cow.Map[string, *node]
	spaces     cow.Map[string, *space] // namespaces as readers see them

	portNames map[string]*portName // mentioned by Pods or acquired
	classes   map[ClassID]*class
	byKey     map[string]*class

	sets       map[SetKey]*set
	setOrdinal uint32
	spaceIndex map[pair]*spacePosting // namespaces, and the sets found through their labels
	spaceKeys  map[string]*bucket     // sets found through the existence of a namespace label
	uncovered  bucket                 // sets that no label or name leads to
	nodeSets   map[*set]struct{}
	unscanned  map[*set]struct{}      // acquired sets of Pods whose classes have not been looked for yet
	restless   map[*labelKey]struct{} // keys that became live or stopped being live
	restlessPN map[*portName]struct{}
	unsettled  map[SetKey]bool // released sets whose blocks are still numbered

	blocks    blockTable
	journal   journal
	scratch   []byte
	published *Snapshot
}

// New returns an empty inventory.
func New() *Inventory {
	inv := &Inventory{
		keys:       make(map[string]*labelKey),
		namespaces: make(map[string]*namespace),
		contested:  make(map[netip.Addr][]podKey),
		portNames:  make(map[string]*portName),
		classes:    make(map[ClassID]*class),
		byKey:      make(map[string]*class),
		sets:       make(map[SetKey]*set),
		spaceIndex: make(map[pair]*spacePosting),
		spaceKeys:  make(map[string]*bucket),
		nodeSets:   make(map[*set]struct{}),
		unscanned:  make(map[*set]struct{}),
		restless:   make(map[*labelKey]struct{}),
		restlessPN: make(map[*portName]struct{}),
		unsettled:  make(map[SetKey]bool),
	}
	inv.blocks.init()
	inv.journal.clear()
	return inv
}

// settle does what was put off: it looks at each Pod at most once for all the
// keys that became live or died since the last time, finds the classes of the
// sets that were acquired, and numbers the blocks that changed.
func (inv *Inventory) settle() {
	inv.reclassify()
	for s := range inv.unscanned {
		delete(inv.unscanned, s)
		inv.scan(s)
	}
	inv.settleBlocks()
}

func (inv *Inventory) settleBlocks() {
	inv.blocks.settle(&inv.journal)
	clear(inv.unsettled)
}
