package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// The exit codes of `sluicectl lab run`.
const (
	ExitOther    = 1 // wrong usage, unreadable manifests, and whatever else
	ExitNotBuilt = 2 // the lab could not be built
	ExitNoProbes = 3 // the lab stood, but the probes could not be made
)

// ExitError is an error with the exit code that the program should end with.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode is the code.
func (e *ExitError) ExitCode() int { return e.Code }

// runFlags are the flags of `lab run`.
type runFlags struct {
	manifests []string
	modules   []string
	datapath  string
	binDir    string
	output    string
	listen    []string
	probe     bool
	keep      bool
	free      bool
	primary   string
}

// Command is `lab`, to be mounted in sluicectl. An error that it returns is an
// *ExitError, or one of usage.
func Command() *cobra.Command {
	command := &cobra.Command{
		Use:   "lab",
		Short: "Try policies on real packets, on this machine, without a cluster",
		Args:  cobra.NoArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(runCommand())
	return command
}

func runCommand() *cobra.Command {
	var flags runFlags
	command := &cobra.Command{
		Use:   "run --manifests PATH...",
		Short: "Build the nodes and Pods of some manifests, apply their policies, and probe who reaches whom",
		Long: `Build a lab out of network namespaces: a node for each spec.nodeName, each with
its own Open vSwitch and sluice-agent, a namespace for each Pod with a listener
on every declared port, and an external host (` + externalV4.Addr().String() + `, ` + externalV6.Addr().String() + `)
behind the nodes. Hosts and the external host listen on TCP and UDP port ` + strconv.Itoa(EchoPort) + `.

With --probe every Pod, host and the external host tries every listening port of
every other, first with no policy in force and then with the policies; only what
connected at first is shown. Everything is taken down again at the end. Every Pod
also tries every Service, many times, so that each backend is met.

Node n (from 0, by name) is 192.168.100.(n+2), its Pods are in 10.1.n.0/24 and
fd00:10:1:n::/64, unless status.podIPs in the manifests says otherwise.

Exit codes: 0 done, 1 wrong usage or manifests, 2 the lab could not be built,
3 the probes could not be made. Root is needed.`,
		Example: `  # who reaches whom under these policies?
  sluicectl lab run --manifests shop/ --probe

  # the same as JSON, with a policy module of one's own
  sluicectl lab run --manifests shop/ --module mine.wasm --probe -o json

  # keep the lab until Ctrl-C, to look around in it
  sluicectl lab run --manifests shop/ --keep`,
		// A shell may turn the PATH of --manifests into several words.
		Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, more []string) error {
			flags.manifests = append(flags.manifests, more...)
			ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
			defer stop()
			return flags.run(ctx, command.OutOrStdout(), command.ErrOrStderr())
		},
	}
	set := command.Flags()
	set.StringArrayVar(&flags.manifests, "manifests", nil, "file or directory of manifests (repeatable; required)")
	set.StringArrayVar(&flags.modules, "module", nil, `Wasm file of a policy module (repeatable, asked in this order); "`+BuiltinModule+`" is the built-in one (default: that one alone)`)
	set.StringVar(&flags.datapath, "datapath", "", `"`+DatapathNetdev+`" or "`+DatapathSystem+`" (default: the kernel's, if it has one)`)
	set.BoolVar(&flags.probe, "probe", false, "probe every ordered pair and print the matrix")
	set.StringVarP(&flags.output, "output", "o", "table", `how to print the matrix: "table" or "json"`)
	set.BoolVar(&flags.keep, "keep", false, "keep the lab until Ctrl-C")
	set.StringArrayVar(&flags.listen, "listen", nil, `a further port on which hosts and the external host listen, for instance "443/TCP" (repeatable)`)
	set.BoolVar(&flags.free, "without-sluice", false, "only the primary CNI: no Open vSwitch, no agent, no policies, to compare with")
	set.StringVar(&flags.primary, "primary", PrimaryPTP, fmt.Sprintf("whose layout nodes and Pods have, one of %v", Primaries()))
	set.StringVar(&flags.binDir, "bin-dir", "", "where the programs are (default: beside this one)")
	if err := command.MarkFlagRequired("manifests"); err != nil {
		panic(err) // only if the flag above has another name
	}
	return command
}

// options turns flags into Options.
func (f *runFlags) options(progress io.Writer) (Options, error) {
	if err := (Options{Primary: f.primary}).checkPrimary(); err != nil {
		return Options{}, fmt.Errorf("--%w", err)
	}
	if f.output != "table" && f.output != "json" {
		return Options{}, fmt.Errorf(`-o %s: choose "table" or "json"`, f.output)
	}
	dir := f.binDir
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return Options{}, err
		}
		dir = filepath.Dir(self)
	}
	options := Options{
		Manifests:  f.manifests,
		Modules:    f.modules,
		Datapath:   f.datapath,
		PolicyFree: f.free,
		Primary:    f.primary,
		Binaries:   PathsIn(dir),
	}
	for _, text := range f.listen {
		port, err := parsePort(text)
		if err != nil {
			return Options{}, fmt.Errorf("--listen %s: %w", text, err)
		}
		options.Listen = append(options.Listen, port)
	}
	if isTerminal(progress) {
		begin := time.Now()
		options.Progress = func(line string) {
			_, _ = fmt.Fprintf(progress, "%6.2fs  %s\n", time.Since(begin).Seconds(), line)
		}
	}
	return options, nil
}

func parsePort(text string) (Port, error) {
	number, protocol, found := strings.Cut(text, "/")
	if !found {
		protocol = "TCP"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return Port{}, fmt.Errorf("%q is no port number", number)
	}
	port := Port{Protocol: strings.ToUpper(protocol), Number: uint16(n)}
	_, err = transportOf(port.Protocol)
	return port, err
}

// isTerminal tells whether somebody reads along; in a pipe the lab is quiet.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// run builds the lab, does what is asked, and takes it down whatever happens.
func (f *runFlags) run(ctx context.Context, out, progress io.Writer) (err error) {
	options, err := f.options(progress)
	if err != nil {
		return &ExitError{ExitOther, err}
	}
	if _, err := Load(options.Manifests); err != nil {
		return &ExitError{ExitOther, err}
	}
	l, err := Start(ctx, options)
	if err != nil {
		return exit(ctx, ExitNotBuilt, err)
	}
	defer func() {
		if closing := l.Close(); closing != nil {
			err = errors.Join(err, &ExitError{ExitOther, closing})
		}
	}()
	if err := f.use(ctx, l, out, progress); err != nil {
		return err
	}
	if f.keep {
		tellKept(l, progress)
		<-ctx.Done()
	}
	return nil
}

// exit gives an error its exit code. A run that was interrupted has failed at
// nothing.
func exit(ctx context.Context, code int, err error) error {
	if ctx.Err() != nil {
		code = ExitOther
	}
	return &ExitError{code, err}
}

func (f *runFlags) use(ctx context.Context, l *Lab, out, progress io.Writer) error {
	if f.probe {
		matrix, err := l.Run(ctx)
		if err != nil {
			return exit(ctx, ExitNoProbes, err)
		}
		if f.output == "json" {
			err = matrix.WriteJSON(out)
		} else {
			err = matrix.WriteTable(out, DefaultStyle())
		}
		if err != nil {
			return &ExitError{ExitOther, fmt.Errorf("printing the matrix: %w", err)}
		}
		return nil
	}
	if f.free {
		return nil
	}
	if err := l.ApplyPolicies(); err != nil {
		return exit(ctx, ExitNotBuilt, err)
	}
	if err := l.WaitRealised(ctx); err != nil {
		return exit(ctx, ExitNotBuilt, err)
	}
	problems, err := l.Problems(ctx)
	if err != nil {
		return exit(ctx, ExitNotBuilt, err)
	}
	for _, problem := range problems {
		_, _ = fmt.Fprintf(progress, "problem: %s\n", problem)
	}
	return nil
}

// tellKept says how to look around in a lab that stays. It is told to pipes
// too, because whoever asked for --keep wants to know.
func tellKept(l *Lab, out io.Writer) {
	_, _ = fmt.Fprintf(out, "\nlab %s stays until Ctrl-C. Everything it wrote is in %s\n", l.ID(), l.Dir())
	for _, n := range l.nodes {
		_, _ = fmt.Fprintf(out, "  node %-20s %s\n", n.plan.Name, l.Enter(n.plan.Name))
		if n.ovs != nil {
			_, _ = fmt.Fprintf(out, "       %-20s ovs-ofctl -O OpenFlow15 dump-flows unix:%s\n", "", n.ovs.Management())
		}
	}
	for _, p := range l.pods {
		_, _ = fmt.Fprintf(out, "  pod  %-20s %s\n", p.plan.Key(), l.Enter(p.plan.Key()))
	}
	_, _ = fmt.Fprintf(out, "  %-25s %s\n", External, l.Enter(External))
}
