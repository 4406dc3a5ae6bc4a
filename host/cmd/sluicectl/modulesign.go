package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-net/sluice/host/artifact"
)

// passwordVariable is the one that cosign reads too.
const passwordVariable = "COSIGN_PASSWORD"

func moduleKeyCommand() *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use:   "generate-key-pair",
		Short: "Make a key pair that signs modules",
		Long: `Make a key pair (ECDSA, P-256): PREFIX.key, encrypted with a password, and PREFIX.pub. Both are
in cosign's form. The password is asked for, or taken from ` + passwordVariable + `.`,
		Example: "  sluicectl module generate-key-pair --prefix team",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, path := range []string{prefix + ".key", prefix + ".pub"} {
				if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("%s is there already: choose another --prefix, or move it away", path)
				}
			}
			password, err := askPassword()
			if err != nil {
				return err
			}
			private, public, err := artifact.NewKey(password)
			if err != nil {
				return err
			}
			if err := os.WriteFile(prefix+".key", private, 0o600); err != nil {
				return err
			}
			if err := os.WriteFile(prefix+".pub", public, 0o644); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s.key\n%s.pub\n", prefix, prefix)
			return err
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "cosign", "the beginning of both files' names")
	return c
}

func moduleSignCommand() *cobra.Command {
	var f registryFlags
	var key, output string
	c := &cobra.Command{
		Use:   "sign REF --key FILE",
		Short: "Sign a module in a registry, in an OCI layout, or a file",
		Long: `Sign a module with a private key, as "cosign sign --key" does: in a registry or an OCI layout the
signature is kept under the tag sha256-HEX.sig; beside a file it is FILE.sig. A module that this key has
signed already is left as it is.`,
		Example: "  sluicectl module sign registry.example/team/web:1.2 --key cosign.key\n  sluicectl module sign web.wasm --key cosign.key",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			text, err := readKey(key)
			if err != nil {
				return err
			}
			private, err := artifact.ParsePrivateKey(text, askPassword)
			if err != nil {
				return err
			}
			ref, err := artifact.ParseRef(args[0])
			if err != nil {
				return err
			}
			if ref, err = artifact.Sign(c.Context(), ref, private, f.access()); err != nil {
				return err
			}
			return Transfer{Ref: ref.String(), Signed: true}.write(c, output, ref.String())
		},
	}
	f.add(c)
	c.Flags().StringVar(&key, "key", "", "a file with the private key (required)")
	c.Flags().StringVarP(&output, "output", "o", "text", `"text" or "json"`)
	if err := c.MarkFlagRequired("key"); err != nil {
		panic(err) // only if the flag above has another name
	}
	return c
}

func moduleVerifyCommand() *cobra.Command {
	var f registryFlags
	var key, output string
	c := &cobra.Command{
		Use:   "verify REF --key FILE",
		Short: "Say whether a key has signed a module",
		Long: `Say whether the owner of a public key has signed a module in a registry, in an OCI layout, or a
file. Exit codes: 0 it has, 1 it has not, or the module cannot be reached.`,
		Example: "  sluicectl module verify registry.example/team/web:1.2 --key cosign.pub",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			public, err := readKey(key)
			if err != nil {
				return err
			}
			m, err := f.get(c.Context(), args[0], artifact.Options{PublicKey: public})
			if err != nil {
				return err
			}
			return Transfer{Ref: m.ref, Digest: m.digest, Signed: true}.write(c, output, m.ref+" is signed by "+key)
		},
	}
	f.add(c)
	c.Flags().StringVar(&key, "key", "", "a file with the public key (required)")
	c.Flags().StringVarP(&output, "output", "o", "text", `"text" or "json"`)
	if err := c.MarkFlagRequired("key"); err != nil {
		panic(err) // only if the flag above has another name
	}
	return c
}

// askPassword takes the password from the environment, or asks a person.
func askPassword() ([]byte, error) {
	if password, there := os.LookupEnv(passwordVariable); there {
		return []byte(password), nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, fmt.Errorf("the private key's password is needed: set %s, which may be empty", passwordVariable)
	}
	fmt.Fprint(os.Stderr, "Password of the private key: ")
	password, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return password, err
}
