package sandbox

// Limits that the child puts on itself. Zero means the default.
type Limits struct {
	// MemoryMiB bounds the linear memory of the module. Default 64.
	MemoryMiB int `json:"memoryMiB"`
	// EngineMiB bounds what the process may hold besides: compiled code, the
	// engine's own memory while it compiles, tables and the guest's stack, and
	// the batch in hand. Default 256.
	EngineMiB int `json:"engineMiB"`
	// UID and GID are taken on when the child is started by root. Default 65534.
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// Default limits.
const (
	DefaultMemoryMiB = 64
	DefaultEngineMiB = 256
	nobody           = 65534
)

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	if l.MemoryMiB == 0 {
		l.MemoryMiB = DefaultMemoryMiB
	}
	if l.EngineMiB == 0 {
		l.EngineMiB = DefaultEngineMiB
	}
	if l.UID == 0 {
		l.UID = nobody
	}
	if l.GID == 0 {
		l.GID = nobody
	}
	return l
}

// Confinement is what the child achieved before it asked for the module.
type Confinement struct {
	UID          int    `json:"uid"`
	GID          int    `json:"gid"`
	Groups       int    `json:"groups"`     // supplementary groups left
	Capabilities uint64 `json:"caps"`       // permitted set
	NoNewPrivs   bool   `json:"noNewPrivs"` // on every thread
	Seccomp      int    `json:"seccomp"`    // mode: 2 is a filter, on every thread
	EmptyRoot    bool   `json:"emptyRoot"`  // chroot into a directory that no longer has a name
	NetNS        string `json:"netns"`      // "net:[inode]"
	PIDNS        string `json:"pidns"`      // "pid:[inode]"
	// Missing says in words what could not be done, and why.
	Missing []string `json:"missing,omitempty"`
}
